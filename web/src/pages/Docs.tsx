// The built-in guide.
import { useQuery } from '@tanstack/react-query';
import { system } from '../api/queries';
import guide from '../docs/guide.md?raw';
import { CopyButton } from '../ui/Copy';
import { Markdown } from '../ui/Markdown';
import { Page } from '../ui/Panel';
import { blocks } from '../ui/blocks';
import styles from './Docs.module.css';

export function Docs() {
  const { data } = useQuery(system);
  const chapters = blocks(guide).flatMap((block) => (block.type === 'heading' && block.level === 1 ? [block] : []));
  return (
    <Page title="Docs" about="How the platform works, in ten minutes.">
      <div className={styles.columns}>
        <article className={`panel ${styles.text}`}>
          <Markdown text={guide} above={1} />
        </article>
        <aside className={styles.aside}>
          <nav aria-label="Chapters">
            <ul className={styles.chapters}>
              {chapters.map((chapter) => (
                <li key={chapter.id}>
                  <a href={`#${chapter.id}`}>{chapter.text}</a>
                </li>
              ))}
            </ul>
          </nav>
          {data ? (
            <dl className={styles.addresses}>
              {[['Kubernetes API', data.urls.kubernetes], ['Git', data.urls.git], ['kubeconfig', data.urls.kubeconfig]].map(([name, value]) => (
                <div key={name}>
                  <dt className="dim small">{name}</dt>
                  <dd className="row" style={{ gap: 2 }}>
                    <code>{value}</code>
                    <CopyButton text={value ?? ''} label={`Copy ${name}`} />
                  </dd>
                </div>
              ))}
            </dl>
          ) : null}
          {data ? <p className="dim small">{data.runtime.note}</p> : null}
        </aside>
      </div>
    </Page>
  );
}
