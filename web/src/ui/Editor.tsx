// A small YAML editor: a text area over its own coloured copy. Tab moves on, as everywhere; Enter keeps the indent.
import { useRef } from 'react';
import { YamlLine } from './Code';
import styles from './Editor.module.css';

export function Editor({ label, value, onChange, marked }: { label: string; value: string; onChange: (value: string) => void; marked?: ReadonlySet<number> }) {
  const back = useRef<HTMLPreElement>(null);
  const onKeyDown = (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key !== 'Enter' || event.ctrlKey || event.metaKey) return;
    const area = event.currentTarget;
    const line = area.value.slice(0, area.selectionStart).split('\n').at(-1) ?? '';
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    event.preventDefault();
    area.setRangeText(`\n${indent}`, area.selectionStart, area.selectionEnd, 'end');
    onChange(area.value);
  };
  const lines = value.split('\n');
  return (
    <div className={styles.editor}>
      <pre ref={back} className={styles.back} aria-hidden="true">
        {lines.map((line, i) => (
          <div key={i} data-marked={marked?.has(i + 1) || undefined}>
            <span className={styles.number}>{i + 1}</span>
            <YamlLine line={line} />
            {'\n'}
          </div>
        ))}
      </pre>
      <textarea
        className={styles.area}
        aria-label={label}
        value={value}
        spellCheck={false}
        autoCapitalize="none"
        autoComplete="off"
        wrap="off"
        onKeyDown={onKeyDown}
        onChange={(event) => onChange(event.currentTarget.value)}
        onScroll={(event) => {
          const to = event.currentTarget;
          back.current?.scrollTo(to.scrollLeft, to.scrollTop);
        }}
      />
    </div>
  );
}
