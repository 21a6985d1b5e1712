// Tabs and switches whose state lives elsewhere, mostly in the URL.
import type { ReactNode } from 'react';
import styles from './Tabs.module.css';

type Choice<T extends string> = { value: T; label: ReactNode };

export function Tabs<T extends string>({ label, value, choices, onChange, panel }: { label: string; value: T; choices: Choice<T>[]; onChange: (value: T) => void; panel?: string }) {
  const onKeyDown = (event: React.KeyboardEvent<HTMLDivElement>) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const at = choices.findIndex((choice) => choice.value === value);
    const next = choices[(at + step + choices.length) % choices.length];
    if (!next) return;
    onChange(next.value);
    event.currentTarget.querySelector<HTMLElement>(`[data-value="${next.value}"]`)?.focus();
  };
  return (
    <div role="tablist" aria-label={label} className={styles.tabs} onKeyDown={onKeyDown}>
      {choices.map((choice) => (
        <button
          key={choice.value}
          type="button"
          role="tab"
          data-value={choice.value}
          aria-selected={choice.value === value}
          aria-controls={panel}
          tabIndex={choice.value === value ? 0 : -1}
          className={styles.tab}
          onClick={() => onChange(choice.value)}
        >
          {choice.label}
        </button>
      ))}
    </div>
  );
}

export function Switch<T extends string>({ label, value, choices, onChange }: { label: string; value: T; choices: Choice<T>[]; onChange: (value: T) => void }) {
  return (
    <div role="group" aria-label={label} className={styles.switch}>
      {choices.map((choice) => (
        <button key={choice.value} type="button" aria-pressed={choice.value === value} className={styles.option} onClick={() => onChange(choice.value)}>
          {choice.label}
        </button>
      ))}
    </div>
  );
}
