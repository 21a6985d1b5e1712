// The query bar: a combobox over the query language.
import { IconSearch } from '@tabler/icons-react';
import { useId, useRef, useState } from 'react';
import type { Schema } from '../../api/client';
import { type Parsed, complete, parse, write } from './query';
import styles from './QueryBar.module.css';

export function QueryBar({ filter, facets, onChange }: { filter: Parsed; facets: Schema['AuditPage']['facets'] | undefined; onChange: (filter: Parsed) => void }) {
  const outside = write(filter);
  const [text, setText] = useState(outside);
  const [known, setKnown] = useState(outside);
  if (outside !== known) {
    // The URL changed by another way than typing.
    setKnown(outside);
    if (write(parse(text)) !== outside) setText(outside);
  }
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const [cursor, setCursor] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const list = useId();
  const completions = open ? complete(text, cursor, { actor: facets?.actors ?? [], verb: facets?.verbs ?? [], object: facets?.kinds ?? [], namespace: facets?.namespaces ?? [] }) : [];
  const submit = (value: string) => {
    const next = parse(value);
    setKnown(write(next));
    onChange(next);
  };
  const choose = (value: string) => {
    setText(value);
    setCursor(value.length);
    setAt(-1);
    if (!value.endsWith(':')) submit(value);
    input.current?.focus();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'ArrowDown' && completions.length) setAt((at + 1) % completions.length);
    else if (event.key === 'ArrowUp' && completions.length) setAt((at - 1 + completions.length) % completions.length);
    else if (event.key === 'Enter' && completions[at]) choose(completions[at].text);
    else if (event.key === 'Enter') {
      setOpen(false);
      submit(text);
    } else if (event.key === 'Escape' && open) setOpen(false);
    else return;
    event.preventDefault();
  };
  return (
    <div className={styles.bar} onBlur={(event) => (event.currentTarget.contains(event.relatedTarget) ? undefined : (setOpen(false), submit(text)))}>
      <IconSearch size={16} aria-hidden="true" />
      <input
        ref={input}
        data-search
        role="combobox"
        aria-label="Query, such as actor:carla outcome:refused checkout"
        aria-expanded={completions.length > 0}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={completions[at] ? `${list}-${at}` : undefined}
        placeholder="actor:carla  outcome:refused  checkout"
        value={text}
        autoComplete="off"
        spellCheck={false}
        onFocus={() => setOpen(true)}
        onSelect={(event) => setCursor(event.currentTarget.selectionStart ?? 0)}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setCursor(event.currentTarget.selectionStart ?? 0);
          setOpen(true);
          setAt(-1);
          if (event.currentTarget.value === '') submit('');
        }}
        onKeyDown={onKeyDown}
      />
      <kbd aria-hidden="true">/</kbd>
      <ul id={list} role="listbox" aria-label="Completions" className={styles.list} hidden={completions.length === 0}>
        {completions.map((completion, i) => (
          <li key={completion.text} id={`${list}-${i}`} role="option" aria-selected={i === at} className={styles.option} onPointerDown={(event) => event.preventDefault()} onClick={() => choose(completion.text)}>
            <span className="clip">{completion.label}</span>
            {completion.count === undefined ? null : <span className="dim small numbers">{completion.count}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}
