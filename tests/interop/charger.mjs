// A charger of the npm package `ocpp-rpc`, in its strict mode: it checks every message in both
// directions against the schemas and refuses what does not fit.
//
// It does what it is told on standard input, a line each (boot, charge WH, fault, close), and answers
// each with a line of JSON. Arguments: URL IDENTITY PROTOCOL.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { RPCClient, createRPCError, createValidator } from 'ocpp-rpc';

const [endpoint, identity, protocol] = process.argv.slice(2);

// The package (2.2.1) has the schemas of 2.1 under other names than it looks for.
const schemas21 = createRequire(import.meta.url)('ocpp-rpc/lib/schemas/ocpp2_1.json');
const named21 = schemas21.map((schema) => ({
  ...schema,
  $id: schema.$id.replace(/Request$/, '.req').replace(/Response$/, '.conf'),
}));
const client = new RPCClient({
  endpoint,
  identity,
  protocols: [protocol],
  strictMode: true,
  strictModeValidators: [createValidator('ocpp2.1', named21)],
  reconnect: false,
});
const resets = [];
const complaints = [];
const token = 'TAG-1';
let faulted = false;
let transactions = 0;

const now = () => new Date().toISOString();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const must = (holds, what) => {
  if (!holds) throw new Error(what);
};
// Bad messages must not pass in silence.
for (const event of ['badMessage', 'strictValidationFailure']) {
  client.on(event, ({ error }) => complaints.push(`${event}: ${error}`));
}

const version16 = {
  boot: { chargePointVendor: 'Foreign', chargePointModel: 'Loop 22' },
  unasked: {
    GetConfiguration: { configurationKey: [{ key: 'HeartbeatInterval', readonly: false, value: '300' }] },
  },
  async status(status) {
    await client.call('StatusNotification', {
      connectorId: 1,
      errorCode: faulted ? 'InternalError' : 'NoError',
      status: faulted ? 'Faulted' : status,
      timestamp: now(),
    });
  },
  async charge(energyWh) {
    const { idTagInfo } = await client.call('Authorize', { idTag: token });
    must(idTagInfo.status === 'Accepted', `the card is ${idTagInfo.status}`);
    await this.status('Preparing');
    const { transactionId } = await client.call('StartTransaction', {
      connectorId: 1,
      idTag: token,
      meterStart: 1000,
      timestamp: now(),
    });
    must(transactionId > 0, `the transaction is ${transactionId}`);
    await this.status('Charging');
    const meterStop = 1000 + energyWh;
    await client.call('MeterValues', {
      connectorId: 1,
      transactionId,
      meterValue: [
        {
          timestamp: now(),
          sampledValue: [
            { value: '7200', measurand: 'Power.Active.Import', unit: 'W' },
            { value: String(meterStop), unit: 'Wh' },
          ],
        },
      ],
    });
    await client.call('StopTransaction', { transactionId, meterStop, timestamp: now(), idTag: token });
    await this.status('Finishing');
    await this.status('Available');
  },
};

const version2 = {
  boot: { reason: 'PowerUp', chargingStation: { model: 'Loop DC', vendorName: 'Foreign' } },
  unasked: { GetBaseReport: { status: 'NotSupported' } },
  async status(status) {
    await client.call('StatusNotification', {
      timestamp: now(),
      connectorStatus: faulted ? 'Faulted' : status,
      evseId: 1,
      connectorId: 1,
    });
  },
  async event(eventType, seqNo, triggerReason, chargingState, energyWh, more = {}, info = {}) {
    return client.call('TransactionEvent', {
      eventType,
      timestamp: now(),
      triggerReason,
      seqNo,
      transactionInfo: { transactionId: `tx-${transactions}`, chargingState, ...info },
      evse: { id: 1, connectorId: 1 },
      meterValue: [
        {
          timestamp: now(),
          sampledValue: [
            { value: energyWh, measurand: 'Energy.Active.Import.Register' },
            { value: 48000, measurand: 'Power.Active.Import' },
          ],
        },
      ],
      ...more,
    });
  },
  async charge(energyWh) {
    const idToken = { idToken: token, type: 'ISO14443' };
    const { idTokenInfo } = await client.call('Authorize', { idToken });
    must(idTokenInfo.status === 'Accepted', `the card is ${idTokenInfo.status}`);
    transactions += 1;
    await this.status('Occupied');
    const started = await this.event('Started', 0, 'Authorized', 'EVConnected', 5000, { idToken });
    must(started.idTokenInfo.status === 'Accepted', 'the start is not accepted');
    await this.event('Updated', 1, 'ChargingStateChanged', 'Charging', 5000 + energyWh / 2);
    const info = { stoppedReason: 'EVDisconnected' };
    await this.event('Ended', 2, 'EVDeparted', 'Idle', 5000 + energyWh, {}, info);
    await this.status('Available');
  },
};

const words = protocol === 'ocpp1.6' ? version16 : version2;

const actions = {
  async boot() {
    const answer = await client.call('BootNotification', words.boot);
    must(answer.status === 'Accepted', `the boot is ${answer.status}`);
    await words.status('Available');
    await client.call('Heartbeat', {});
  },
  charge: (energyWh) => words.charge(Number(energyWh)),
  async fault() {
    faulted = true;
    await words.status('Available');
  },
  close: () => client.close(),
};

client.handle('Reset', ({ params }) => {
  resets.push(params.type);
  pause(300).then(() => {
    faulted = false;
    return actions.boot();
  });
  return { status: 'Accepted' };
});
client.handle('TriggerMessage', ({ params }) => {
  if (params.requestedMessage === 'StatusNotification') {
    pause(10).then(() => words.status('Available'));
  }
  return { status: 'Accepted' };
});
client.handle(({ method }) => {
  if (method in words.unasked) return words.unasked[method];
  throw createRPCError('NotImplemented');
});

const say = (line) => console.log(JSON.stringify(line));

// `ws` offers permessage-deflate, as it does by default; what came of it is told.
const { response } = await client.connect();
say({ protocol: client.protocol, extensions: response.headers['sec-websocket-extensions'] ?? null });
for await (const line of createInterface({ input: process.stdin })) {
  const [action, ...more] = line.split(' ');
  try {
    await actions[action](...more);
    say({ done: action, resets, complaints });
  } catch (error) {
    say({ failed: action, why: String(error), complaints });
  }
  if (action === 'close') break;
}
// Timers of the package would keep the process for a while.
process.exit(0);
