// Search boxes and filter chips.
import { IconSearch, IconX } from '@tabler/icons-react';
import { Menu } from '@mantine/core';
import styles from './Filter.module.css';

export function Search({ value, onChange, placeholder }: { value: string; onChange: (value: string) => void; placeholder: string }) {
  return (
    <label className={styles.search}>
      <IconSearch size={15} aria-hidden="true" />
      <input type="search" data-search value={value} onChange={(event) => onChange(event.target.value)} placeholder={placeholder} aria-label={placeholder} spellCheck={false} />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}

/** A chip that opens its choices; with a value it shows it and can be cleared. */
export function FilterChip({ label, value, choices, onChange }: { label: string; value: string | undefined; choices: { value: string; label?: string; count?: number }[]; onChange: (value: string | undefined) => void }) {
  const shown = choices.find((choice) => choice.value === value)?.label ?? value;
  return (
    <span className={styles.chip} data-on={value !== undefined || undefined}>
      <Menu position="bottom-start" shadow="md" width={220}>
        <Menu.Target>
          <button type="button" className={styles.open}>
            {label}
            {value !== undefined ? <span className="strong">{shown}</span> : null}
          </button>
        </Menu.Target>
        <Menu.Dropdown mah={360} style={{ overflowY: 'auto' }}>
          {choices.map((choice) => (
            <Menu.Item key={choice.value} onClick={() => onChange(choice.value)} rightSection={choice.count === undefined ? null : <span className="dim small numbers">{choice.count}</span>}>
              {choice.label ?? choice.value}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {value !== undefined ? (
        <button type="button" className={styles.clear} onClick={() => onChange(undefined)} aria-label={`Clear ${label}`}>
          <IconX size={13} />
        </button>
      ) : null}
    </span>
  );
}

export function counted<T>(items: T[], pick: (item: T) => string | null | undefined, label: (value: string) => string = (v) => v) {
  const counts = new Map<string, number>();
  for (const item of items) {
    const value = pick(item);
    if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([value, count]) => ({ value, label: label(value), count }));
}
