import { KafkaCluster, type ClusterShape } from './kafka-cluster';

/** A cluster for the tests of one block. */
export const withCluster = (shape: ClusterShape, define: (cluster: () => KafkaCluster) => void): void => {
  let cluster: KafkaCluster | undefined;
  beforeAll(async () => {
    cluster = await KafkaCluster.start(shape);
  }, 180_000);
  afterAll(() => cluster?.stop());
  define(() => cluster!);
};
