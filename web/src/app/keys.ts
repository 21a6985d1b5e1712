// Keys that work on every page: Ctrl/⌘-K, `/`, `?`, and `g` followed by a place.
import { useEffect, useRef } from 'react';
import { PLACES } from './nav';

type Handlers = { palette: () => void; shortcuts: () => void; go: (to: (typeof PLACES)[number]['to']) => void };

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));

export function useKeys(handlers: Handlers) {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    let going = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        latest.current.palette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (event.timeStamp - going < 1200) {
        const place = PLACES.find((p) => p.key === event.key);
        going = 0;
        if (place) {
          event.preventDefault();
          latest.current.go(place.to);
          return;
        }
      }
      if (event.key === 'g') {
        going = event.timeStamp;
      } else if (event.key === '?') {
        event.preventDefault();
        latest.current.shortcuts();
      } else if (event.key === '/') {
        event.preventDefault();
        const search = document.querySelector<HTMLInputElement>('[data-search]');
        if (search) {
          search.focus();
          search.select();
        } else {
          latest.current.palette();
        }
      }
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
}
