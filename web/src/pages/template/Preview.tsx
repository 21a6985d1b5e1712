// What a golden path will make: outcomes, verdicts, files.
import { useState } from 'react';
import type { Schema } from '../../api/client';
import { Code } from '../../ui/Code';
import { Failed } from '../../ui/Failed';
import { Empty } from '../../ui/Panel';
import { Refusals } from '../../ui/Refusal';
import { Mark } from '../../ui/State';
import { Tabs } from '../../ui/Tabs';
import styles from './Preview.module.css';

type Shown = 'afterwards' | 'files' | 'policies';

export function Preview({ preview, error, stale }: { preview: Schema['TemplatePreview'] | undefined; error: unknown; stale: boolean }) {
  const [shown, setShown] = useState<Shown>('afterwards');
  const ready = preview && preview.files.length > 0;
  const failing = preview?.verdicts.filter((verdict) => verdict.refusal !== null) ?? [];
  return (
    <section className={`panel ${styles.preview}`} aria-label="Preview" aria-busy={stale}>
      {error ? (
        <div className={styles.part}>
          <Failed error={error} />
        </div>
      ) : !ready ? (
        <Empty title="The preview fills as you type">
          As soon as the values are good, this shows every file that will be made, what the policies say about them, and what will exist
          afterwards. Nothing is made before you press Create.
        </Empty>
      ) : (
        <>
          <div className={styles.tabs}>
            <Tabs
              label="Preview"
              value={shown}
              onChange={setShown}
              choices={[
                { value: 'afterwards', label: 'Afterwards' },
                { value: 'files', label: <>Files <span className="dim numbers">{preview.files.length}</span></> },
                {
                  value: 'policies',
                  label: (
                    <span className="row" style={{ gap: 6 }}>
                      Policies <Mark tone={failing.length ? 'bad' : 'ok'} shape={failing.length ? 'bar' : 'check'} label={failing.length ? `${failing.length} refuse` : 'all pass'} size={14} />
                    </span>
                  ),
                },
              ]}
            />
          </div>
          <div className={styles.part}>
            {shown === 'afterwards' ? <Afterwards preview={preview} /> : shown === 'files' ? <Files files={preview.files} /> : <Verdicts verdicts={preview.verdicts} />}
          </div>
        </>
      )}
    </section>
  );
}

function Afterwards({ preview }: { preview: Schema['TemplatePreview'] }) {
  return (
    <div className="stack">
      <ul className={styles.outcomes}>
        {preview.outcomes.map((outcome) => (
          <li key={outcome}>
            <Mark tone="ok" shape="check" /> {outcome}
          </li>
        ))}
      </ul>
      <h2>Objects</h2>
      <ul className={styles.objects}>
        {preview.objects.map((object) => (
          <li key={object.key}>
            <span className="dim">{object.kind}</span> <code>{object.namespace ? `${object.namespace}/${object.name}` : object.name}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Files({ files }: { files: Schema['TemplatePreview']['files'] }) {
  const [path, setPath] = useState(files[0]?.path ?? '');
  const file = files.find((f) => f.path === path) ?? files[0];
  return (
    <div className={styles.files}>
      <ul className={styles.tree} aria-label="Files">
        {files.map((f) => {
          const at = f.path.lastIndexOf('/') + 1;
          return (
            <li key={f.path}>
              <button type="button" aria-current={f.path === file?.path || undefined} onClick={() => setPath(f.path)} title={f.path}>
                <span className="dim">{f.path.slice(0, at)}</span>
                {f.path.slice(at)}
              </button>
            </li>
          );
        })}
      </ul>
      {file ? <Code text={file.content} label={file.path} /> : null}
    </div>
  );
}

function Verdicts({ verdicts }: { verdicts: Schema['Verdict'][] }) {
  const refusals = verdicts.flatMap((verdict) => verdict.refusal ?? []);
  const rest = verdicts.filter((verdict) => verdict.refusal === null);
  return (
    <div className="stack">
      {refusals.length ? <Refusals refusals={refusals} /> : null}
      <ul className={styles.outcomes}>
        {rest.map((verdict) => (
          <li key={verdict.policy + verdict.rule + verdict.object}>
            <Mark tone={verdict.result === 'pass' ? 'ok' : verdict.result === 'skip' ? 'idle' : 'warn'} shape={verdict.result === 'pass' ? 'check' : verdict.result === 'skip' ? 'bar' : 'exclamation'} label={verdict.result} />
            <span>
              {verdict.policy} › {verdict.rule} <span className="dim">{verdict.object}</span>
              {verdict.message ? <span className="dim"> {verdict.message}</span> : null}
            </span>
          </li>
        ))}
        {verdicts.length === 0 ? <li className="dim">No policy applies to what is made.</li> : null}
      </ul>
    </div>
  );
}
