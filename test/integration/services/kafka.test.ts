import { Kafka, logLevel } from 'kafkajs';
import { describeWithKafka, kafkaBrokers } from '../../support/services';

describeWithKafka('the broker of the tests', () => {
  it('makes topics when asked and not by itself', async () => {
    const kafka = new Kafka({ clientId: 'services-test', brokers: await kafkaBrokers(), logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    const topic = `services-test-${process.pid}`;
    try {
      await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
      await expect(admin.fetchTopicMetadata({ topics: [`${topic}-absent`] })).rejects.toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION' });
      expect(await admin.fetchTopicOffsets(topic)).toHaveLength(2);
    } finally {
      await admin.deleteTopics({ topics: [topic] });
      await admin.disconnect();
    }
  });
});
