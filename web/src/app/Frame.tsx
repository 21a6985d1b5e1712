// Rail, top bar, page. Also the keys that work everywhere.
import { Menu } from '@mantine/core';
import { useMantineColorScheme } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { IconCheck, IconChevronsLeft, IconChevronsRight, IconFocus2, IconKeyboard, IconLogout, IconMoon, IconSearch, IconSun, IconSunMoon } from '@tabler/icons-react';
import { Suspense, lazy, useEffect, useState } from 'react';
import { api, take } from '../api/client';
import { connect, useConnection } from '../api/events';
import { applications, entities, session, system } from '../api/queries';
import { Logo } from './Logo';
import { PLACES, trail } from './nav';
import { setScope, useScope } from './scope';
import { useKeys } from './keys';
import styles from './Frame.module.css';

const Palette = lazy(() => import('./Palette').then((m) => ({ default: m.Palette })));
const Shortcuts = lazy(() => import('./Shortcuts').then((m) => ({ default: m.Shortcuts })));

const wasNarrow = () => {
  try {
    return localStorage.getItem('ridgeway-rail') === 'narrow';
  } catch {
    return false;
  }
};

export function Frame() {
  const [narrow, setNarrow] = useState(wasNarrow);
  const [overlay, setOverlay] = useState<'palette' | 'shortcuts' | null>(null);
  const navigate = useNavigate();
  useEffect(connect, []);
  useKeys({
    palette: () => setOverlay('palette'),
    shortcuts: () => setOverlay('shortcuts'),
    go: (to) => void navigate({ to }),
  });
  const toggle = () => {
    setNarrow(!narrow);
    try {
      localStorage.setItem('ridgeway-rail', narrow ? 'wide' : 'narrow');
    } catch {
      // The rail forgets; nothing else is lost.
    }
  };
  const close = () => setOverlay(null);
  return (
    <div className={styles.frame} data-narrow={narrow || undefined}>
      <a href="#page" className={styles.skip}>
        Skip to the page
      </a>
      <nav className={styles.rail} aria-label="Main">
        <Link to="/" className={styles.brand} aria-label="Ridgeway, home">
          <Logo />
          <span className={styles.word}>Ridgeway</span>
        </Link>
        <ul className={styles.places}>
          {PLACES.map(({ to, label, short, icon: Icon }) => (
            <li key={to}>
              <Link to={to} className={styles.place} activeOptions={{ exact: to === '/', includeSearch: false }} title={narrow ? label : undefined}>
                <Icon size={18} stroke={1.7} aria-hidden="true" />
                <span className={styles.word}>{label}</span>
                <span className={styles.short} aria-hidden="true">
                  {short}
                </span>
              </Link>
            </li>
          ))}
        </ul>
        <div className={styles.foot}>
          <Runtime />
          <button type="button" className={styles.collapse} onClick={toggle} aria-label={narrow ? 'Widen the rail' : 'Narrow the rail'} aria-expanded={!narrow}>
            {narrow ? <IconChevronsRight size={16} /> : <IconChevronsLeft size={16} />}
          </button>
        </div>
      </nav>
      <div className={styles.main}>
        <header className={styles.bar}>
          <Crumbs />
          <button type="button" className={styles.search} onClick={() => setOverlay('palette')} aria-keyshortcuts="Control+K">
            <IconSearch size={15} aria-hidden="true" />
            <span className={styles.searchWord}>Jump to anything</span>
            <kbd className={styles.searchKey} aria-hidden="true">{/Mac|iPhone|iPad/.test(navigator.userAgent) ? '⌘K' : 'Ctrl K'}</kbd>
          </button>
          <ScopeSwitch />
          <Connection />
          <UserMenu shortcuts={() => setOverlay('shortcuts')} />
        </header>
        <main id="page" tabIndex={-1} className={styles.page}>
          <Outlet />
        </main>
      </div>
      <Suspense>
        {overlay === 'palette' ? <Palette close={close} /> : null}
        {overlay === 'shortcuts' ? <Shortcuts close={close} /> : null}
      </Suspense>
    </div>
  );
}

function Runtime() {
  const { data } = useQuery(system);
  if (!data) return null;
  return (
    <span className={styles.runtime} title={data.runtime.note}>
      {data.runtime.kind === 'simulated' ? 'Simulated runtime' : 'Kubernetes'}
      <span className="hidden-visually">: {data.runtime.note}</span>
      <br />
      <span className="numbers">v{data.version}</span>
    </span>
  );
}

function Crumbs() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const crumbs = trail(path);
  return (
    <nav aria-label="Breadcrumb" className={styles.crumbs}>
      <ol>
        {crumbs.map((crumb, i) => (
          <li key={i} aria-current={i === crumbs.length - 1 ? 'page' : undefined}>
            {crumb.to && i < crumbs.length - 1 ? <Link to={crumb.to}>{crumb.label}</Link> : crumb.label}
          </li>
        ))}
      </ol>
    </nav>
  );
}

function Connection() {
  const state = useConnection();
  const word = { connecting: 'Connecting', live: 'Live', lost: 'Reconnecting' }[state];
  return (
    <span className={styles.connection} data-state={state} role="status" title={state === 'live' ? 'The page changes as the platform does' : 'What you see may be old'}>
      <span className={styles.dot} aria-hidden="true" />
      <span className={styles.connectionWord}>{word}</span>
    </span>
  );
}

function ScopeSwitch() {
  const scope = useScope();
  const { data: apps } = useQuery(applications);
  const { data: all } = useQuery(entities);
  const environments = [...new Set(apps?.flatMap((app) => app.environment ?? []))].sort();
  const teams = all?.filter((entity) => entity.kind === 'Group') ?? [];
  const team = teams.find((t) => t.ref === scope.team);
  const told = [scope.environment, scope.team && (team?.title ?? scope.team)].filter(Boolean).join(' · ') || 'Everything';
  const tick = (on: boolean) => <IconCheck size={14} style={{ visibility: on ? 'visible' : 'hidden' }} aria-hidden="true" />;
  return (
    <Menu width={220} position="bottom-end" shadow="md">
      <Menu.Target>
        <button type="button" className={styles.tool} aria-label={`Scope: ${told}`}>
          <IconFocus2 size={16} aria-hidden="true" />
          <span className={styles.toolWord}>{told}</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Environment</Menu.Label>
        {[null, ...environments].map((name) => (
          <Menu.Item key={name} leftSection={tick(scope.environment === name)} onClick={() => setScope({ environment: name })}>
            {name ?? 'All environments'}
          </Menu.Item>
        ))}
        <Menu.Label>Team</Menu.Label>
        <Menu.Item leftSection={tick(!scope.team)} onClick={() => setScope({ team: null })}>
          All teams
        </Menu.Item>
        {teams.map((t) => (
          <Menu.Item key={t.ref} leftSection={tick(scope.team === t.ref)} onClick={() => setScope({ team: t.ref })}>
            {t.title}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function UserMenu({ shortcuts }: { shortcuts: () => void }) {
  const { data: me } = useQuery(session);
  const cache = useQueryClient();
  const navigate = useNavigate();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const leave = async () => {
    await take(api.DELETE('/session')).catch(() => undefined);
    cache.clear();
    await navigate({ to: '/sign-in' });
  };
  if (!me) return null;
  const schemes = [
    { value: 'auto', label: 'Like the system', icon: IconSunMoon },
    { value: 'light', label: 'Light', icon: IconSun },
    { value: 'dark', label: 'Dark', icon: IconMoon },
  ] as const;
  return (
    <Menu width={220} position="bottom-end" shadow="md">
      <Menu.Target>
        <button type="button" className={styles.user} aria-label={`Account of ${me.displayName}`}>
          {me.displayName.slice(0, 1).toUpperCase()}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <div className={styles.me}>
          <div className="strong">{me.displayName}</div>
          <div className="dim small">{me.groups.filter((group) => !group.startsWith('system:')).join(', ') || me.name}</div>
        </div>
        <Menu.Divider />
        {schemes.map(({ value, label, icon: Icon }) => (
          <Menu.Item
            key={value}
            leftSection={<Icon size={15} />}
            rightSection={colorScheme === value ? <IconCheck size={14} aria-label="chosen" /> : null}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<IconKeyboard size={15} />} rightSection={<kbd>?</kbd>} onClick={shortcuts}>
          Keyboard
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={15} />} onClick={() => void leave()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
