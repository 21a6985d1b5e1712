// The typed client, and the one shape in which anything that went wrong reaches the pages.
import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

export type Schema = components['schemas'];
export type Refusal = Schema['Refusal'];
export type Problem = Schema['Problem'];
export type Health = Schema['Health'];
export type SyncState = Schema['SyncState'];
export type Outcome = Schema['Outcome'];

type Body = Schema['Error']['error'];

/** An answer outside 2xx, or none at all. */
export class Failure extends Error {
  readonly status: number;
  readonly code: string;
  readonly requestId: string;
  readonly refusals: Refusal[];
  readonly problems: Problem[];

  constructor(status: number, body: Partial<Body>) {
    super(body.message ?? `The platform answered ${status} without saying why.`);
    this.status = status;
    this.code = body.code ?? 'internal';
    this.requestId = body.requestId ?? '';
    this.refusals = body.refusals ?? [];
    this.problems = body.problems ?? [];
  }
}

let csrfToken = '';

export function setCsrfToken(token: string) {
  csrfToken = token;
}

export const api = createClient<paths>({ baseUrl: '/api/v1', credentials: 'same-origin' });

api.use({
  onRequest({ request }) {
    if (request.method !== 'GET' && csrfToken) request.headers.set('X-CSRF-Token', csrfToken);
    return request;
  },
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The data of an answer, or a [Failure]. */
export async function take<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (cause) {
    throw new Failure(0, { code: 'unavailable', message: `The platform does not answer (${(cause as Error).message}).` });
  }
  if (answer.response.ok) return answer.data as T;
  const body = (answer.error as { error?: Body } | undefined)?.error;
  throw new Failure(answer.response.status, body ?? { requestId: answer.response.headers.get('x-request-id') ?? '' });
}
