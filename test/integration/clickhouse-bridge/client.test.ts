import { describeWithClickHouse, freshClickHouse, type TestClickHouse } from '../../support/services';

describeWithClickHouse('ClickHouse through the unmodified client', () => {
  let world: TestClickHouse;
  beforeAll(async () => {
    world = await freshClickHouse('bridge');
  });
  afterAll(() => world.drop());

  it('answers a ping', async () => {
    expect(await world.client.ping()).toEqual({ success: true });
    expect(await world.client.ping({ select: true })).toEqual({ success: true });
  });
});
