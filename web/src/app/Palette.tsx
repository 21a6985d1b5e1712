// The command palette: everything by name, every action the user may run.
import '@mantine/core/styles/ModalBase.layer.css';
import '@mantine/core/styles/Modal.layer.css';
import '@mantine/core/styles/Overlay.layer.css';
import '@mantine/core/styles/Paper.layer.css';
import '@mantine/core/styles/CloseButton.layer.css';
import { Modal, useMantineColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useId, useMemo, useState } from 'react';
import { api, take } from '../api/client';
import { applications, entities, policies, session, templates } from '../api/queries';
import { parseRef } from '../ui/EntityLink';
import { PLACES } from './nav';
import { rank } from './rank';
import styles from './Palette.module.css';

type Command = { id: string; group: string; label: string; hint: string; run: () => void };

export function Palette({ close }: { close: () => void }) {
  const commands = useCommands(close);
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const list = useId();
  const found = useMemo(() => rank(commands, text, (c) => `${c.label} ${c.hint} ${c.group}`).slice(0, 40), [commands, text]);
  const chosen = Math.min(at, found.length - 1);
  const move = (next: number) => {
    setAt(next);
    document.getElementById(`${list}-${next}`)?.scrollIntoView({ block: 'nearest' });
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'ArrowDown') move(Math.min(chosen + 1, found.length - 1));
    else if (event.key === 'ArrowUp') move(Math.max(chosen - 1, 0));
    else if (event.key === 'Enter') found[chosen]?.run();
    else return;
    event.preventDefault();
  };
  return (
    <Modal.Root opened onClose={close} padding={0} size={600} yOffset="12vh" centered={false}>
      <Modal.Overlay />
      <Modal.Content aria-label="Jump to anything">
       <Modal.Body>
      <input
        className={styles.input}
        placeholder="Jump to anything, or run an action"
        aria-label="Jump to anything, or run an action"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={found.length ? `${list}-${chosen}` : undefined}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
        data-autofocus
        autoComplete="off"
        spellCheck={false}
      />
      <div role="listbox" id={list} aria-label="Found" className={styles.list}>
        {found.map((command, i) => (
          <div
            key={command.id}
            id={`${list}-${i}`}
            role="option"
            aria-selected={i === chosen}
            className={styles.item}
            onClick={command.run}
            onPointerMove={() => setAt(i)}
          >
            <span className="clip">{command.label}</span>
            <span className={`${styles.hint} clip`}>{command.hint}</span>
            <span className={styles.group}>{command.group}</span>
          </div>
        ))}
      </div>
      {found.length === 0 ? <p className={styles.none}>Nothing is called “{text}”.</p> : null}
       </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

function useCommands(close: () => void): Command[] {
  const navigate = useNavigate();
  const { setColorScheme } = useMantineColorScheme();
  const { data: me } = useQuery(session);
  const { data: apps = [] } = useQuery(applications);
  const { data: all = [] } = useQuery(entities);
  const { data: rules = [] } = useQuery(policies);
  const { data: paths = [] } = useQuery(templates);
  return useMemo(() => {
    const then = (act: () => unknown) => () => {
      close();
      void act();
    };
    const may = new Set(me?.permissions);
    const commands: Command[] = PLACES.map(({ to, label }) => ({
      id: `go${to}`, group: 'Page', label, hint: '', run: then(() => navigate({ to })),
    }));
    for (const app of apps) {
      const open = () => navigate({ to: '/applications/$name', params: { name: app.name } });
      commands.push({ id: `app ${app.name}`, group: 'Application', label: app.name, hint: `${app.health} ${app.version}`, run: then(open) });
    }
    for (const entity of all) {
      const { kind, namespace, name } = parseRef(entity.ref);
      const open = () => navigate({ to: '/catalog/$kind/$namespace/$name', params: { kind, namespace, name } });
      commands.push({ id: entity.ref, group: entity.kind, label: entity.title, hint: entity.description, run: then(open) });
    }
    for (const policy of rules) {
      const open = () => navigate({ to: '/policies/$id', params: { id: policy.id } });
      commands.push({ id: `policy ${policy.id}`, group: 'Policy', label: policy.title, hint: policy.name, run: then(open) });
    }
    if (may.has('templates.run')) {
      for (const path of paths) {
        const open = () => navigate({ to: '/create/$name', params: { name: path.name } });
        commands.push({ id: `new ${path.name}`, group: 'Action', label: `Create from ${path.title}`, hint: path.description, run: then(open) });
      }
    }
    if (may.has('applications.sync')) {
      for (const app of apps) {
        const sync = async () => {
          await take(api.POST('/applications/{name}/sync', { params: { path: { name: app.name } }, body: {} })).catch(() => undefined);
          await navigate({ to: '/applications/$name', params: { name: app.name } });
        };
        commands.push({ id: `sync ${app.name}`, group: 'Action', label: `Sync ${app.name}`, hint: '', run: then(sync) });
      }
    }
    commands.push(
      { id: 'playground', group: 'Page', label: 'Policy playground', hint: 'Try a rule on an object', run: then(() => navigate({ to: '/policies/playground' })) },
      { id: 'refusals', group: 'Page', label: 'What was refused', hint: 'Audit', run: then(() => navigate({ to: '/audit', search: { outcome: 'refused' } })) },
      { id: 'dark', group: 'Action', label: 'Dark theme', hint: '', run: then(() => setColorScheme('dark')) },
      { id: 'light', group: 'Action', label: 'Light theme', hint: '', run: then(() => setColorScheme('light')) },
    );
    return commands;
  }, [close, navigate, setColorScheme, me, apps, all, rules, paths]);
}
