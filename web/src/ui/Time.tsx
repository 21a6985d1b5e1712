// Times and durations: relative in the text, absolute on hover.
import { useSyncExternalStore } from 'react';

let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void) {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    listeners.forEach((l) => l());
  }, 15_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

export function relative(at: string, from: number): string {
  const seconds = (from - Date.parse(at)) / 1000;
  if (seconds < 10 && seconds > -10) return 'just now';
  return seconds < 0 ? `in ${span(-seconds)}` : `${span(seconds)} ago`;
}

export function Ago({ at }: { at: string }) {
  useSyncExternalStore(subscribe, () => now);
  return (
    <time dateTime={at} title={absolute.format(new Date(at))} style={{ whiteSpace: 'nowrap' }}>
      {relative(at, Date.now())}
    </time>
  );
}

export function Clock({ at }: { at: string }) {
  const date = new Date(at);
  const text = date.toLocaleTimeString(undefined, { hour12: false });
  return (
    <time dateTime={at} title={absolute.format(date)} className="numbers" style={{ whiteSpace: 'nowrap' }}>
      {text}
    </time>
  );
}

export const when = (at: string) => absolute.format(new Date(at));
