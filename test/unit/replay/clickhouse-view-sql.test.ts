import { fits, planView } from '../../../src/replay/adapters/clickhouse/view-sql';

describe('what a view in ClickHouse can take', () => {
  it.each([
    ['String', 'String', true],
    ['Int32', 'Int64', true],
    ['Int64', 'Int32', false],
    ['Int32', 'Decimal(10, 0)', true],
    ['Int32', 'Decimal(9, 0)', false],
    ['Decimal(19, 0)', 'Int64', false],
    ['Decimal(12, 2)', 'Decimal(18, 2)', true],
    ['Decimal(12, 2)', 'Decimal(18, 4)', true],
    ['Decimal(12, 2)', 'Decimal(12, 4)', false],
    ['Decimal(12, 2)', 'Decimal(18, 1)', false],
    ['Nullable(Int32)', 'Int64', true],
    ['Bool', 'String', false],
    [`DateTime64(3, 'UTC')`, 'String', false],
  ])('%s as %s: %s', (from, to, right) => {
    expect(fits(from, to)).toBe(right);
  });

  const column = (name: string, type: string) => ({ name, type });

  it('keeps the columns that readers know, in their order and types, and adds new ones at the end', () => {
    const view = [column('id', 'String'), column('n', 'Int64'), column('gone', 'Int32')];
    const target = [column('new', 'Bool'), column('n', 'Nullable(Int32)'), column('id', 'String'), column('_version', 'UInt128')];
    expect(planView(view, target, new Set(['id', 'n']))).toEqual({
      select: ['`id`', `CAST(\`n\`, 'Nullable(Int64)') AS \`n\``, `CAST(NULL, 'Nullable(Int32)') AS \`gone\``, '`new`'],
      incompatible: [],
    });
  });

  it('names what it cannot take', () => {
    const { incompatible } = planView([column('id', 'String'), column('n', 'Int32')], [column('n', 'Int64')], new Set(['id', 'n']));
    expect(incompatible).toEqual(['id: missing', 'n: Int32 -> Int64']);
  });
});
