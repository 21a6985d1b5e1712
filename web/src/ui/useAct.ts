// One action at a time: busy while it runs, and what went wrong afterwards.
import { useState } from 'react';

export function useAct() {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const act = (run: () => Promise<unknown>) => {
    setBusy(true);
    setFailure(null);
    run()
      .catch(setFailure)
      .finally(() => setBusy(false));
  };
  return { act, busy, failure, clear: () => setFailure(null) };
}
