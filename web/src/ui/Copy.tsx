// Short hashes and other texts worth taking along.
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useState } from 'react';
import styles from './Copy.module.css';

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(text).then(() => {
      setDone(true);
      setTimeout(() => setDone(false), 1400);
    });
  };
  return (
    <button type="button" className={styles.copy} onClick={copy} aria-label={done ? 'Copied' : label} title={label}>
      {done ? <IconCheck size={14} /> : <IconCopy size={14} />}
    </button>
  );
}

export function Hash({ value, length = 7 }: { value: string; length?: number }) {
  return (
    <span className={styles.hash}>
      <code title={value}>{value.slice(0, length)}</code>
      <CopyButton text={value} label="Copy the whole hash" />
    </span>
  );
}
