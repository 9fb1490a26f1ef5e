import fc from 'fast-check';
import { cloudEventHeaders, isRfc3339Time, parseRfc3339 } from '../../../src/events/cloudevents';

const date = fc.date({ min: new Date('0000-01-01T00:00:00.000Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true });
const two = (n: number): string => String(n).padStart(2, '0');

test('a time that the headers carry is read back, whatever its year', () => {
  fc.assert(
    fc.property(date, (time) => {
      expect(isRfc3339Time(time)).toBe(true);
      const headers = cloudEventHeaders({ id: 'i', type: 't', app: 'a', subject: 's', time });
      expect(parseRfc3339(headers.ce_time as string)).toBe(time.getTime());
    }),
    { numRuns: 1000 },
  );
});

test('offsets and any number of digits of a second', () => {
  fc.assert(
    fc.property(date, fc.integer({ min: -1439, max: 1439 }), fc.stringMatching(/^\d{0,9}$/), (time, minutes, digits) => {
      const seconds = Math.floor(time.getTime() / 1000) * 1000;
      const local = new Date(seconds).toISOString().slice(0, 19);
      const offset = `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
      const text = `${local}${digits === '' ? '' : `.${digits}`}${offset}`;
      expect(parseRfc3339(text)).toBe(seconds - minutes * 60_000 + Number(digits.padEnd(3, '0').slice(0, 3)));
    }),
  );
});

test.each([
  ['1997-01-12T10:20:30Z', Date.UTC(1997, 0, 12, 10, 20, 30)],
  ['1997-01-12t10:20:30z', Date.UTC(1997, 0, 12, 10, 20, 30)],
  ['2000-02-29T00:00:00.000Z', Date.UTC(2000, 1, 29)],
  ['2016-12-31T23:59:60.000Z', Date.UTC(2017, 0, 1)],
])('%s', (text, time) => {
  expect(parseRfc3339(text)).toBe(time);
});

test.each([
  '',
  'yesterday',
  '1997',
  '1997-01-12',
  '1997-01-12T10:20:30',
  '1997-01-12T10:20:30.Z',
  '1997-01-12T10:20:30.1',
  '1997-01-12 10:20:30Z',
  '1997-13-01T00:00:00.000Z',
  '1997-00-01T00:00:00.000Z',
  '1997-02-29T00:00:00.000Z',
  '1900-02-29T00:00:00.000Z',
  '1997-01-32T00:00:00.000Z',
  '1997-01-00T00:00:00.000Z',
  '1997-01-01T24:00:00.000Z',
  '1997-01-01T00:60:00.000Z',
  '1997-01-01T00:00:61.000Z',
  '1997-01-01T00:00:00.0x0Z',
  '1997-01-01T00:00:00.x00Z',
  '1997-01-01T00:00:00.00xZ',
  '1997/01/01T00:00:00.000Z',
  '1997-01-01T00:00:00+24:00',
  '1997-01-01T00:00:00+0200',
  '+01997-01-01T00:00:00Z',
  '1997-01-01T00:00:00.000Z ',
  '1997-01-01T00:00:00.000z ',
])('%p is not a time', (text) => {
  expect(parseRfc3339(text)).toBeUndefined();
});

test('years that need more than four digits are not written', () => {
  expect([isRfc3339Time(new Date(8.64e15)), isRfc3339Time(new Date(-8.64e15)), isRfc3339Time(new Date('+010000-01-01T00:00:00Z'))]).toEqual([
    false,
    false,
    false,
  ]);
});
