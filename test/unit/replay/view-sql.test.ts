import fc from 'fast-check';
import { fits, planView, viewStatement } from '../../../src/replay/adapters/postgres/view-sql';

describe('whether a column can be shown in the type that readers know', () => {
  it.each([
    ['text', 'text', true],
    ['integer', 'bigint', true],
    ['bigint', 'integer', false],
    ['integer', 'numeric(12,2)', true],
    ['bigint', 'numeric(12,2)', false],
    ['numeric(12,2)', 'numeric(18,2)', true],
    ['numeric(18,2)', 'numeric(12,2)', false],
    ['numeric(12,4)', 'numeric(18,2)', false],
    ['numeric(5,0)', 'smallint', false],
    ['numeric(12,2)', 'numeric', true],
    ['numeric', 'numeric(12,2)', false],
    ['text', 'integer', false],
    ['timestamp with time zone', 'text', false],
    ['jsonb', 'json', false],
  ])('%s as %s: %s', (from, to, expected) => {
    expect(fits(from, to)).toBe(expected);
  });

  it('lets every number of the one type into the other', () => {
    const numeric = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 12 })).filter(([whole, scale]) => whole + scale > 0);
    fc.assert(
      fc.property(numeric, numeric, ([w1, s1], [w2, s2]) => {
        expect(fits(`numeric(${String(w1 + s1)},${String(s1)})`, `numeric(${String(w2 + s2)},${String(s2)})`)).toBe(w2 >= w1 && s2 >= s1);
      }),
    );
  });
});

describe('what a view selects after a switch', () => {
  const view = [
    { name: 'id', type: 'text', collation: '"C"' },
    { name: 'n', type: 'bigint' },
  ];

  it('keeps order and types, casts, appends, and hides what is refold own', () => {
    const target = [
      { name: '_offset', type: 'bigint' },
      { name: 'more', type: 'text' },
      { name: 'n', type: 'integer' },
      { name: 'id', type: 'text', collation: '"C"' },
    ];
    const plan = planView(view, target, new Set(['id', 'n']));
    expect(plan).toEqual({ select: ['"id"', '"n"::bigint AS "n"', '"more"'], incompatible: [] });
    const existing = { kind: 'v', options: ['security_invoker=true', 'security_barrier=true'], columns: view };
    expect(viewStatement('public', 'v', 't', plan, existing)).toBe(
      'CREATE OR REPLACE VIEW "public"."v" WITH (security_invoker=true, security_barrier=true) AS SELECT "id", "n"::bigint AS "n", "more" FROM "public"."t"',
    );
    expect(viewStatement('public', 'v', 't', plan, undefined)).not.toContain('WITH');
  });

  it('names what is missing and what does not fit; shows null where a column is not required', () => {
    expect(planView(view, [{ name: 'n', type: 'numeric(30,0)' }], new Set(['id', 'n'])).incompatible).toEqual(['id: missing', 'n: bigint -> numeric(30,0)']);
    expect(planView(view, [{ name: 'n', type: 'bigint' }], new Set())).toEqual({ select: ['NULL::text COLLATE "C" AS "id"', '"n"'], incompatible: [] });
  });
});
