// What the ledger says, as a sentence.
import type { Outcome } from '../api/client';

const PAST: { [verb: string]: string } = {
  create: 'created', update: 'updated', patch: 'changed', apply: 'applied', delete: 'deleted', deletecollection: 'deleted all',
  'sign-in': 'signed in', 'sign-out': 'signed out', push: 'pushed', sync: 'synced', rollback: 'rolled back', promote: 'promoted', run: 'ran',
};

/** A summary that begins with a bare verb, told in the past; with the outcome when it is not the expected one. */
export function told(summary: string, outcome: Outcome = 'allowed'): string {
  const [verb = '', ...rest] = summary.split(' ');
  const past = PAST[verb];
  if (!past) return summary;
  if (outcome === 'refused') return `was refused to ${[verb === 'patch' ? 'change' : verb.replace('-', ' '), ...rest].join(' ')}`;
  if (outcome === 'failed') return `could not ${[verb === 'patch' ? 'change' : verb.replace('-', ' '), ...rest].join(' ')}`;
  return [past, ...rest].join(' ');
}

/** The same as a title of its own. */
export function titled(summary: string): string {
  const text = told(summary);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
