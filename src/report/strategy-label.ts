// What strategies are called in tables and on the console.

/** `ALIGN-FL` for `align`; an unknown name is shown as it is. */
export function strategyLabel(strategy: string): string {
  return Object.hasOwn(LABELS, strategy) ? (LABELS[strategy] as string) : strategy;
}

// --- internal ---

const LABELS: Readonly<Record<string, string>> = {
  align: 'ALIGN-FL',
  fedavg: 'FedAvg',
  fedprox: 'FedProx',
  'local-only': 'each silo alone',
  centralised: 'centralised',
};
