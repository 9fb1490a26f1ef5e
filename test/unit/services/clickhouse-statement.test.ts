import fc from 'fast-check';
import { settingStatements } from '../../../src/app/services/clickhouse/settings';
import { fromFile, literal, readStatement, type InsertOfData } from '../../../src/app/services/clickhouse/statement';

const insertOf = (text: string): InsertOfData => {
  const statement = readStatement(text);
  if (statement.kind !== 'insert') {
    throw new Error(`no INSERT of rows: ${text}`);
  }
  return statement;
};

describe('statements of a request', () => {
  it.each([
    ['INSERT INTO t FORMAT JSONEachRow', 'INSERT INTO t ', '', 'JSONEachRow', ''],
    ['insert into t format JSONEachRow\n{"a":1}\n\n; drop', 'insert into t ', '', 'JSONEachRow', '{"a":1}\n\n; drop'],
    ['INSERT INTO d.`t;x` (a, `format`) SETTINGS x=1 FORMAT CSV \r\n1', 'INSERT INTO d.`t;x` (a, `format`) ', 'SETTINGS x=1 ', 'CSV', '1'],
    ["/* ; */ INSERT INTO values VALUES (1, ';'), (2, 'x''\\';\n\n')", '/* ; */ INSERT INTO values ', '', 'Values', " (1, ';'), (2, 'x''\\';\n\n')"],
    ["INSERT INTO FUNCTION file('f', 'CSV', 'format String') FORMAT CSV", "INSERT INTO FUNCTION file('f', 'CSV', 'format String') ", '', 'CSV', ''],
    ['INSERT INTO {t:Identifier} VALUES (1) ; ', 'INSERT INTO {t:Identifier} ', '', 'Values', ' (1) ; '],
    ['WITH 1 AS x INSERT INTO t VALUES (1)', 'WITH 1 AS x INSERT INTO t ', '', 'Values', ' (1)'],
  ])('finds the rows in %j', (text, target, settings, format, inline) => {
    expect(insertOf(text)).toEqual({ kind: 'insert', target, settings, format, inline });
  });

  it('reads them from a file instead', () => {
    expect(fromFile(insertOf('INSERT INTO t (a) SETTINGS x=1 FORMAT CSV\n1;2'), "sp'ool")).toBe(
      "INSERT INTO t (a)  FROM INFILE 'sp\\'ool' COMPRESSION 'none' SETTINGS x=1  FORMAT CSV",
    );
  });

  it.each([
    ['SELECT 1 ; -- nothing', { kind: 'select', sql: 'SELECT 1', framed: false }],
    ["(SELECT ';' FORMAT x) FORMAT JSON SETTINGS a=1;;", { kind: 'select', format: 'JSON' }],
    ['WITH x AS (SELECT 1) SELECT * FROM x FORMAT CSV', { kind: 'select', format: 'CSV' }],
    ['SELECT a, count() FROM t GROUP BY a WITH TOTALS', { kind: 'select', framed: true }],
    ['INSERT INTO t SELECT 1 FORMAT Null', { kind: 'insert-select' }],
    ['WITH 1 AS x INSERT INTO t SELECT x', { kind: 'insert-select' }],
    ["INSERT INTO t FROM INFILE 'x' FORMAT CSV", { kind: 'insert-select' }],
    ["SELECT insert('a', 1, 1, 'b'), insert FROM insert", { kind: 'select' }],
    ['WITH insert AS (SELECT 1) SELECT * FROM insert', { kind: 'select' }],
    ['SHOW TABLES', { kind: 'other', sql: 'SHOW TABLES' }],
    ['SELECT $a$;$$;$a$, "b;" # ;\n, 1e3', { kind: 'select' }],
  ])('reads %j', (text, expected) => {
    expect(readStatement(text)).toMatchObject(expected);
  });

  it.each([
    ['SELECT 1; SELECT 2', 'Multi-statements'],
    ['SELECT 1 -- ;\n; DROP TABLE t', 'Multi-statements'],
    ["INSERT INTO t VALUES (1, ';'); DROP TABLE t", 'Multi-statements'],
    ['INSERT INTO t FORMAT Values (1); (2)', 'Multi-statements'],
    ['INSERT INTO t SELECT 1; DROP TABLE t', 'Multi-statements'],
    ['WITH 1 AS a SELECT a; INSERT INTO t VALUES (1)', 'Multi-statements'],
    [' ; /* only this */', 'the query is empty'],
    ['', 'the query is empty'],
    ['INSERT INTO t FORMAT', 'the name of a format is missing'],
    ['INSERT INTO t FORMAT CSV ; \n1', "excessive ';'"],
    ["INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV\n1", 'input()'],
  ])('refuses %j', (text, says) => {
    expect(() => readStatement(text)).toThrow(says);
  });

  it('takes no text in quotes for anything else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(readStatement(`SELECT ${literal(text)} AS x`)).toEqual({ kind: 'select', sql: `SELECT ${literal(text)} AS x`, framed: false });
        expect(insertOf(`INSERT INTO t VALUES (${literal(text)})`).inline).toBe(` (${literal(text)})`);
        expect(() => readStatement(`SELECT ${literal(text)}; SELECT 2`)).toThrow('Multi-statements');
      }),
    );
  });
});

describe('settings of a request', () => {
  it('are quoted, parameters each by itself, and inserts are never asynchronous', () => {
    const query = new URLSearchParams({ query: 'x', max_threads: "1', b = '2", param_a: '\\N', async_insert: '1', database: 'd' });
    expect(settingStatements(query, 'mark')).toEqual(["SET log_comment = 'mark', async_insert = '0', max_threads = '1\\', b = \\'2'", "SET param_a = '\\\\N'"]);
  });

  it.each([
    ['a = 1, b', 'UNKNOWN_SETTING'],
    ['role', 'UNKNOWN_ROLE'],
  ])('refuse %j', (name, says) => {
    expect(() => settingStatements(new URLSearchParams({ [name]: '1' }), 'mark')).toThrow(says);
  });
});
