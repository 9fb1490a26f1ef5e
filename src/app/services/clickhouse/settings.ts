import { Refusal } from './refusal';
import { literal } from './statement';

/** Parameters of a request that are no settings of the engine: of the transport, or done by the bridge. */
const NOT_SETTINGS = new Set([
  ...['query', 'query_id', 'database', 'default_format', 'user', 'password', 'quota_key', 'stacktrace'],
  ...['session_id', 'session_timeout', 'session_check', 'compress', 'decompress'],
  ...['enable_http_compression', 'http_zlib_compression_level', 'http_response_buffer_size', 'buffer_size', 'wait_end_of_query'],
  ...['send_progress_in_http_headers', 'http_headers_progress_interval_ms'],
  // There is no queue of asynchronous inserts here: what was acknowledged is written.
  ...['async_insert', 'wait_for_async_insert', 'async_insert_busy_timeout_ms', 'async_insert_max_data_size'],
  'log_comment', // marks the query of a request, so that it can be killed
]);

const NAME = /^[A-Za-z_]\w*$/;

/** Statements that give a connection the settings and parameters of a request. @throws Refusal for what cannot be a setting */
export const settingStatements = (query: URLSearchParams, mark: string): readonly string[] => {
  if (query.has('role')) {
    throw new Refusal(511, 'UNKNOWN_ROLE', `There is no role ${query.get('role') ?? ''}: the embedded ClickHouse has one user and no grants`);
  }
  const given = [...query].filter(([name]) => !NOT_SETTINGS.has(name));
  const odd = given.find(([name]) => !NAME.test(name));
  if (odd !== undefined) {
    throw new Refusal(115, 'UNKNOWN_SETTING', `Unknown setting '${odd[0]}'`);
  }
  const assignment = ([name, value]: [string, string]): string => `${name} = ${literal(value)}`;
  const settings = given.filter(([name]) => !name.startsWith('param_'));
  const parameters = given.filter(([name]) => name.startsWith('param_'));
  const marked: [string, string][] = [['log_comment', mark], ['async_insert', '0'], ...settings];
  return [`SET ${marked.map(assignment).join(', ')}`, ...parameters.map((parameter) => `SET ${assignment(parameter)}`)];
};
