import { RefoldError } from '../../kernel/errors';
import { ContributionValue } from '../read-model';

/** What a handler returned, one by one. @throws RefoldError `row.invalid` for anything else than contributions */
export const contributionsOf = (returned: unknown): readonly ContributionValue[] => {
  const list: readonly unknown[] = returned === undefined ? [] : Array.isArray(returned) ? returned : [returned];
  return list.map((one) => {
    if (one instanceof ContributionValue) {
      return one;
    }
    const what = one === null ? 'null' : 'something else than contributions';
    throw new RefoldError('row.invalid', `the handler returned ${what}: return <readModel>.contribution(group, measures), or undefined for none`);
  });
};
