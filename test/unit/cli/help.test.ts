import { cli } from '../../support/cli';

const COMMANDS = [
  '',
  'run',
  'migrate',
  'projections',
  'projections list',
  'projections pause',
  'projections resume',
  'reactors',
  'reactors list',
  'reactors parked',
  'reactors redrive',
  'reactors discard',
  'reactors pause',
  'reactors resume',
  'replay',
  'replay start',
  'replay status',
  'replay diff',
  'replay history',
  'replay cutover',
  'replay rollback',
  'replay retire',
  'replay abort',
  'replay list',
  'schemas',
  'schemas check',
  'schemas register',
  'schemas record',
  'schemas types',
  'models',
  'models index',
  'models index add',
  'models index list',
  'topics',
  'topics plan',
  'topics apply',
  'topics retain',
  'topics groups',
  'parked',
  'parked list',
  'parked show',
  'parked redrive',
  'parked discard',
  'late',
  'late list',
  'late readmit',
  'errata',
  'errata event',
  'errata add',
  'errata list',
  'errata show',
  'errata withdraw',
  'lag',
  'lag show',
  'lag export',
  'lag rules',
];

it.each(COMMANDS)('refold %s --help', async (command) => {
  const { code, stdout, stderr } = await cli([...command.split(' ').filter((word) => word !== ''), '--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatchSnapshot();
});

it('says its version', async () => {
  expect(await cli(['--version'])).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
});
