import { RefoldError } from '../../kernel/errors';
import type { ProjectionDefinition } from '../definition';
import { generationLabel, type Generation } from '../generations';

/** @throws RefoldError `generation.definition-changed` */
export const assertSameDefinition = (generation: Generation, definition: ProjectionDefinition): void => {
  if (generation.definitionHash !== definition.hash) {
    throw new RefoldError(
      'generation.definition-changed',
      `the code of ${definition.name} v${String(definition.version)} is not what ${generationLabel(generation)} was built with`,
      {
        facts: { projection: definition.name, version: definition.version, built: generation.definitionHash.slice(0, 12), code: definition.hash.slice(0, 12) },
      },
    );
  }
};
