import { RefoldError } from '../../../kernel/errors';
import { isKeyTaken } from '../../../platform/postgres/errors';
import type { SqlSession } from '../../../platform/postgres/pool';
import type { BatchCommit, Merge, RowIdentity, ShownChange, Upsert } from '../../read-model-store';
import { keyText } from '../../values';
import { byColumn, identityTexts } from './identity';
import type { Bulk, FoldedWrites, RowWrites, Writes } from './writes';

/** From so many new rows on COPY is cheaper than an upsert, though it asks the server once more. */
const COPIED_FROM = 100;

/** One order in every worker, so that their locks never cross. */
const inOrder = (rows: readonly Upsert[], key: string): readonly Upsert[] =>
  rows
    .map((row) => ({ row, text: keyText(row.row[key]) }))
    .sort((a, b) => (a.text < b.text ? -1 : 1))
    .map(({ row }) => row);

const mergesInOrder = (merges: readonly Merge[]): readonly Merge[] => [...merges].sort((a, b) => (a.id < b.id ? -1 : 1));

/** False: some of the rows were not written, or are there although nobody knew. */
const writeAll = async <T extends { readonly isStored: boolean }>(sql: SqlSession, bulk: Bulk<T>, rows: readonly T[]): Promise<boolean> => {
  const added = rows.filter(({ isStored }) => !isStored);
  const isCopied = added.length >= COPIED_FROM;
  const others = isCopied ? rows.filter(({ isStored }) => isStored) : rows;
  if (others.length > 0) {
    const { rowCount } = await sql.query(bulk.upsert, bulk.values(others));
    if (rowCount !== others.length) {
      return false;
    }
  }
  try {
    await (isCopied ? sql.copyIn(bulk.copy, bulk.lines(added)) : undefined);
    return true;
  } catch (error) {
    if (isKeyTaken(error)) {
      return false;
    }
    throw error;
  }
};

const deleteAll = async (sql: SqlSession, { identity, delete: statement }: RowWrites, rows: readonly RowIdentity[]): Promise<void> => {
  if (rows.length > 0) {
    await sql.query(statement, byColumn(rows, identity.length));
  }
};

const writeFolded = async (sql: SqlSession, writes: FoldedWrites, { upserts, deletes }: BatchCommit): Promise<boolean> => {
  const deleted = deletes.map(({ key }) => [key]);
  await deleteAll(sql, writes, deleted);
  const ordered = inOrder(upserts, writes.identity[0]!.name);
  const moved = ordered.filter(({ movedFrom }) => movedFrom !== undefined);
  const others = moved.length === 0 ? ordered : ordered.filter(({ movedFrom }) => movedFrom === undefined);
  if (!(await writeAll(sql, writes.rows, others))) {
    return false;
  }
  const { update, values } = writes.moved;
  return moved.length === 0 || (await sql.query(update, values(moved))).rowCount === moved.length;
};

/** Whose groups they are is known by now, so rows are written over whatever there is. @throws RefoldError `store.value-refused` */
const writeShown = async (sql: SqlSession, writes: RowWrites, { upserts, deletes }: ShownChange): Promise<void> => {
  const deleted = deletes.map(({ identity }) => identityTexts(writes.identity, identity));
  await deleteAll(sql, writes, deleted);
  if (!(await writeAll(sql, writes.rows, upserts))) {
    throw new RefoldError('store.value-refused', 'a row that was to be new is there'); // batches of few rows do not copy, and so do not mind
  }
};

/**
 * Writes the rows of a batch by the statements of its generation. Of storage `groups` what is kept of groups comes first: it tells
 * whether they belong to this partition. False: somebody else has written one of the keys since.
 * @throws RefoldError `store.value-refused`
 */
export const writeBatch = async (sql: SqlSession, { folded, shown, merges }: Writes, batch: BatchCommit): Promise<boolean> => {
  const isWritten =
    (folded === undefined || (await writeFolded(sql, folded, batch))) && (merges === undefined || (await writeAll(sql, merges, mergesInOrder(batch.merges))));
  if (isWritten && shown !== undefined && batch.shown !== undefined) {
    await writeShown(sql, shown, batch.shown);
  }
  return isWritten;
};
