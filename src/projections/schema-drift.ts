import { RefoldError } from '../kernel/errors';
import { generationLabel, type Generation } from './generations';

/** The table of a generation is not what it has to be. */
export const schemaDrift = (generation: Generation, table: string, message: string, column?: string): RefoldError =>
  new RefoldError('store.schema-drift', message, { facts: { generation: generationLabel(generation), table, column } });

/** There is no table: `generation.not-provisioned` for a candidate, which is waited for; else `store.schema-drift`. */
export const missingTable = (generation: Generation, table: string): RefoldError =>
  generation.status === 'candidate'
    ? new RefoldError('generation.not-provisioned', `table ${table} does not exist yet`, { facts: { generation: generationLabel(generation) } })
    : schemaDrift(generation, table, `table ${table} is missing`);
