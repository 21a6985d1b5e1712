// Sign-in. Keeps where the person wanted to go.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import '@mantine/core/styles/PasswordInput.layer.css';
import '@mantine/core/styles/ActionIcon.layer.css';
import { useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { api, setCsrfToken, take } from '../api/client';
import { session } from '../api/queries';
import { Logo } from '../app/Logo';
import { signInRoute } from '../app/router';
import { Failed } from '../ui/Failed';
import styles from './SignIn.module.css';

export function SignIn() {
  const { to } = signInRoute.useSearch();
  const cache = useQueryClient();
  const router = useRouter();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    document.title = 'Sign in · Ridgeway';
  }, []);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      const body = { user: String(form.get('user')), password: String(form.get('password')) };
      const me = await take(api.POST('/session', { body }));
      setCsrfToken(me.csrfToken);
      cache.setQueryData(session.queryKey, me);
      // Only paths of this portal.
      router.history.push(to && /^\/(?!\/)/.test(to) ? to : '/');
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <main className={styles.page}>
      <svg className={styles.ridge} viewBox="0 0 1440 320" preserveAspectRatio="none" aria-hidden="true">
        <path d="M0 270 L220 150 L330 205 L560 70 L700 170 L820 110 L1040 235 L1190 160 L1440 290" />
      </svg>
      <form className={styles.card} onSubmit={(event) => void submit(event)}>
        <div className={styles.brand}>
          <Logo size={30} />
          <h1>Ridgeway</h1>
        </div>
        <TextInput label="User" name="user" autoComplete="username" autoFocus required withAsterisk={false} spellCheck={false} autoCapitalize="none" />
        <PasswordInput label="Password" name="password" autoComplete="current-password" required withAsterisk={false} visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }} />
        {error ? <Failed error={error} /> : null}
        <Button type="submit" size="sm" fullWidth loading={busy}>
          Sign in
        </Button>
        <p className="dim small">The first users and passwords were printed when the platform started for the first time.</p>
      </form>
    </main>
  );
}
