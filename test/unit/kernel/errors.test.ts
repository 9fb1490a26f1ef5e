import { ERROR_CODES, isRefoldError, messageOf, RefoldError } from '../../../src/kernel/errors';

describe('RefoldError', () => {
  test('takes remedy and retryable from the table', () => {
    const error = new RefoldError('log.unreachable', 'no answer');
    expect(error).toMatchObject({ name: 'RefoldError', message: 'no answer', retryable: true, remedy: ERROR_CODES['log.unreachable'].remedy, facts: {} });
    expect(new RefoldError('event.invalid', 'bad').retryable).toBe(false);
  });

  test('appends its facts to the message, leaves out the undefined ones and keeps all of them as values', () => {
    const facts = { topic: 'orders', partition: 0, offset: 12n, key: undefined, columns: ['a', 'b'] };
    const error = new RefoldError('event.undecodable', 'cannot decode', { facts });
    expect(error.message).toBe('cannot decode [topic=orders partition=0 offset=12 columns=a,b]');
    expect(error.facts).toBe(facts);
  });

  test('keeps the cause, and has none where none was given', () => {
    const cause = new Error('below');
    expect(new RefoldError('store.failed', 'refused', { cause }).cause).toBe(cause);
    expect('cause' in new RefoldError('store.failed', 'refused')).toBe(false);
  });

  test('a remedy of its own replaces that of the table', () => {
    expect(new RefoldError('store.failed', 'refused', { remedy: 'Grant SELECT.' }).remedy).toBe('Grant SELECT.');
  });
});

test('isRefoldError tells codes apart', () => {
  const error: unknown = new RefoldError('hold.lost', 'gone');
  expect([isRefoldError(error), isRefoldError(error, 'hold.lost'), isRefoldError(error, 'hold.timed-out'), isRefoldError(new Error('hold.lost'))]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test('messageOf reads errors and anything else that was thrown', () => {
  expect([messageOf(new Error('a')), messageOf('b'), messageOf(undefined), messageOf(3)]).toEqual(['a', 'b', 'undefined', '3']);
});
