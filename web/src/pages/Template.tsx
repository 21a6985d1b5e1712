// A golden path's form, with what it will make beside it while one types.
import { Button, NumberInput, Select, Switch, TagsInput, TextInput, Textarea } from '@mantine/core';
import '@mantine/core/styles/ActionIcon.layer.css';
import '@mantine/core/styles/CloseButton.layer.css';
import '@mantine/core/styles/Combobox.layer.css';
import '@mantine/core/styles/NumberInput.layer.css';
import '@mantine/core/styles/Pill.layer.css';
import '@mantine/core/styles/PillsInput.layer.css';
import '@mantine/core/styles/ScrollArea.layer.css';
import '@mantine/core/styles/Switch.layer.css';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useDebouncedValue } from '@mantine/hooks';
import { type FormEvent, useState } from 'react';
import { type Problem, type Schema, Failure, api, take } from '../api/client';
import { entities, session, template } from '../api/queries';
import { templateRoute } from '../app/router';
import { Failed } from '../ui/Failed';
import { Page, Rows } from '../ui/Panel';
import { useAct } from '../ui/useAct';
import { Preview } from './template/Preview';
import styles from './Template.module.css';

type Values = { [name: string]: unknown };

export function Template() {
  const { name } = templateRoute.useParams();
  const { data, error, refetch } = useQuery(template(name));
  return (
    <Page name={data?.title ?? name} title={data?.title ?? name} about={data?.description}>
      {error ? <Failed error={error} again={() => void refetch()} /> : data ? <Form key={data.name} template={data} /> : <div className="panel"><Rows count={6} height={60} /></div>}
    </Page>
  );
}

/** What was typed survives a reload of the page and a way back. */
function remembered(name: string): Values {
  try {
    return JSON.parse(sessionStorage.getItem(`ridgeway-form ${name}`) ?? '{}') as Values;
  } catch {
    return {};
  }
}

function Form({ template: path }: { template: Schema['TemplateDetail'] }) {
  const [values, setValues] = useState<Values>(() => remembered(path.name));
  const [tried, setTried] = useState(false);
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const navigate = useNavigate();
  const { data: me } = useQuery(session);
  const { act, busy, failure } = useAct();
  const [asked] = useDebouncedValue(values, 250);
  const preview = useQuery({
    queryKey: ['preview', path.name, asked],
    queryFn: () => take(api.POST('/templates/{name}/preview', { params: { path: { name: path.name } }, body: { parameters: asked } })),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    retry: false,
  });
  const set = (name: string, value: unknown) => {
    const next = { ...values, [name]: value };
    if (value === undefined || value === '') delete next[name];
    setValues(next);
    try {
      sessionStorage.setItem(`ridgeway-form ${path.name}`, JSON.stringify(next));
    } catch {
      // Nothing is kept across reloads then.
    }
  };
  const rejected = failure instanceof Failure ? failure.problems : [];
  const problems = [...(preview.data?.problems ?? []), ...rejected];
  const fault = (name: string) => {
    if (!tried && !touched.has(name)) return undefined;
    return problems.find((p) => p.field === `/${name}` || p.field.startsWith(`/${name}/`))?.message;
  };
  const start = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (preview.data && preview.data.problems.length > 0) {
      const first = preview.data.problems[0]?.field.split('/')[1];
      document.querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
      return;
    }
    act(async () => {
      const run = await take(api.POST('/templates/{name}/runs', { params: { path: { name: path.name } }, body: { parameters: values } }));
      sessionStorage.removeItem(`ridgeway-form ${path.name}`);
      await navigate({ to: '/runs/$id', params: { id: run.id } });
    });
  };
  const may = me?.permissions.includes('templates.run') ?? false;
  const refused = preview.data?.verdicts.some((v) => v.result === 'fail' || v.result === 'error') ?? false;
  return (
    <div className={styles.columns}>
      <form className={`panel ${styles.form}`} onSubmit={start} noValidate>
        {path.pages.map((page, i) => (
          <section key={i} className={styles.page}>
            <h2>{page.title}</h2>
            {page.description ? <p className="dim">{page.description}</p> : null}
            {ordered(page).map(([name, schema]) => (
              <div key={name} onBlur={() => setTouched(new Set([...touched, name]))}>
                <Field name={name} schema={schema} required={page.required.includes(name)} value={values[name]} set={(value) => set(name, value)} fault={fault(name)} />
              </div>
            ))}
          </section>
        ))}
        {failure ? <Failed error={failure} /> : null}
        {tried && problems.length ? <Summary problems={problems} path={path} /> : null}
        <div className="row spread">
          <span className="dim small">{refused ? 'Policies refuse something: see the preview.' : null}</span>
          <Button type="submit" size="sm" loading={busy} disabled={!may || refused} title={may ? undefined : 'You may not run golden paths; ask the platform team'}>
            Create
          </Button>
        </div>
      </form>
      <Preview preview={preview.data} error={preview.error} stale={preview.isPlaceholderData || asked !== values} />
    </div>
  );
}

type FormPage = Schema['TemplateDetail']['pages'][number];

/** The parameters as the template orders them; JSON objects on the way may have lost that, so it is told apart. */
function ordered(page: FormPage): [string, Schema['ParameterSchema']][] {
  const names = [...new Set([...(page.order ?? page.required), ...Object.keys(page.properties)])];
  return names.flatMap((name) => {
    const schema = page.properties[name];
    return schema ? [[name, schema]] : [];
  });
}

function Summary({ problems, path }: { problems: Problem[]; path: Schema['TemplateDetail'] }) {
  const title = (field: string) => {
    const name = field.split('/')[1] ?? '';
    return path.pages.map((page) => page.properties[name]?.title).find(Boolean) ?? name;
  };
  return (
    <div role="alert" className={styles.summary}>
      <p className="strong">Not yet:</p>
      <ul>
        {problems.map((problem) => (
          <li key={problem.field + problem.message}>
            {problem.message.startsWith(title(problem.field)) ? problem.message : `${title(problem.field)} ${problem.message}`}
          </li>
        ))}
      </ul>
    </div>
  );
}

type FieldProps = { name: string; schema: Schema['ParameterSchema']; required: boolean; value: unknown; set: (value: unknown) => void; fault: string | undefined };

function Field({ name, schema, required, value, set, fault }: FieldProps) {
  const common = {
    label: schema.title ?? name,
    name,
    required,
    withAsterisk: required,
    description: [schema.description, schema['ui:help']].filter(Boolean).join(' ') || undefined,
    placeholder: schema['ui:placeholder'],
    error: fault,
  };
  const text = typeof value === 'string' ? value : '';
  const fallback = typeof schema.default === 'string' || typeof schema.default === 'number' ? String(schema.default) : undefined;
  if (schema['ui:field'] === 'OwnerPicker' || schema['ui:field'] === 'EntityPicker') return <Picker {...{ name, schema, required, value, set, fault }} />;
  if (schema.type === 'boolean') {
    return <Switch label={common.label} name={name} description={common.description} error={fault} checked={(value ?? schema.default) === true} onChange={(event) => set(event.currentTarget.checked)} />;
  }
  if (schema.enum) {
    const data = schema.enum.map((option, i) => ({ value: String(option), label: schema.enumNames?.[i] ?? String(option) }));
    return <Select {...common} data={data} value={text || fallback || null} onChange={(next) => set(schema.enum?.find((option) => String(option) === next))} allowDeselect={!required} />;
  }
  if (schema.type === 'array') {
    const list = Array.isArray(value) ? (value as string[]) : [];
    return <TagsInput {...common} placeholder={list.length ? '' : 'Type and press Enter'} value={list} onChange={(next) => set(next.length ? next : undefined)} acceptValueOnBlur />;
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    const number = typeof value === 'number' ? value : typeof schema.default === 'number' ? schema.default : '';
    return <NumberInput {...common} value={number} allowDecimal={schema.type === 'number'} onChange={(next) => set(typeof next === 'number' ? next : undefined)} clampBehavior="none" />;
  }
  const kept = value === undefined && fallback ? { ...common, placeholder: fallback } : common;
  if (schema['ui:widget'] === 'textarea') return <Textarea {...kept} value={text} autosize minRows={2} onChange={(event) => set(event.currentTarget.value)} />;
  return <TextInput {...kept} value={text} onChange={(event) => set(event.currentTarget.value)} spellCheck={false} autoComplete="off" />;
}

function Picker({ name, schema, required, value, set, fault }: FieldProps) {
  const { data } = useQuery(entities);
  const filter = schema['ui:options']?.catalogFilter as { kind?: string | string[] } | undefined;
  const kinds = new Set(schema['ui:field'] === 'OwnerPicker' && !filter?.kind ? ['Group', 'User'] : [filter?.kind ?? []].flat());
  const options = (data ?? []).filter((e) => kinds.size === 0 || kinds.has(e.kind)).map((e) => ({ value: e.ref, label: e.title }));
  return (
    <Select
      label={schema.title ?? name}
      name={name}
      required={required}
      withAsterisk={required}
      description={[schema.description, schema['ui:help']].filter(Boolean).join(' ') || undefined}
      error={fault}
      searchable
      data={options}
      value={typeof value === 'string' ? value : null}
      onChange={(next) => set(next ?? undefined)}
      allowDeselect={!required}
      nothingFoundMessage="Nothing in the catalog is called that"
      placeholder="Choose"
    />
  );
}
