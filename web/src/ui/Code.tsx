// YAML to read: coloured, with line numbers, and lines that can be marked.
import { CopyButton } from './Copy';
import styles from './Code.module.css';

const TOKEN = /^(\s*(?:- )*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s#:"'][^:#]*?)?(:)(?=\s|$)(.*)$/;

function Scalar({ text }: { text: string }) {
  const comment = /(^|\s)#.*$/.exec(text);
  const value = comment ? text.slice(0, comment.index) : text;
  const trimmed = value.trim();
  const kind = /^-?\d+(\.\d+)?$|^(true|false|null|~)$/.test(trimmed) ? styles.number : trimmed ? styles.text : undefined;
  return (
    <>
      {value ? <span className={kind}>{value}</span> : null}
      {comment ? <span className={styles.comment}>{text.slice(comment.index)}</span> : null}
    </>
  );
}

export function YamlLine({ line }: { line: string }) {
  if (/^\s*#/.test(line)) return <span className={styles.comment}>{line}</span>;
  const found = TOKEN.exec(line);
  if (!found) {
    const lead = /^\s*(?:- )*/.exec(line)?.[0] ?? '';
    return (
      <>
        {lead}
        <Scalar text={line.slice(lead.length)} />
      </>
    );
  }
  const [, lead = '', key = '', colon, rest = ''] = found;
  return (
    <>
      {lead}
      <span className={styles.key}>{key}</span>
      {colon}
      <Scalar text={rest} />
    </>
  );
}

export function Code({ text, label, marked, copy = true }: { text: string; label: string; marked?: (line: number) => boolean; copy?: boolean }) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    <div className={styles.frame}>
      {copy ? (
        <div className={styles.copy}>
          <CopyButton text={text} label={`Copy ${label}`} />
        </div>
      ) : null}
      <pre className={styles.code} tabIndex={0} aria-label={label}>
        {lines.map((line, i) => (
          <div key={i} className={styles.line} data-marked={marked?.(i + 1) || undefined}>
            <span className={styles.number_} aria-hidden="true">
              {i + 1}
            </span>
            <span>
              <YamlLine line={line} />
            </span>
          </div>
        ))}
      </pre>
    </div>
  );
}
