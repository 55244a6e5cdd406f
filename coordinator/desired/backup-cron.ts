/** A line of crontab(5) that parseCron() has accepted, taken apart. */
interface Cron {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 0: Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /** Either of day and day of the week is enough: both say something (crontab(5)). */
  readonly either: boolean;
}

const dayMs = 86_400_000;

/** The 29th of February comes at least every 8 years (2096, 2104). */
const mostDays = 366 * 8 + 2;

function parseField(text: string, low: number, high: number): ReadonlySet<number> {
  const values = new Set<number>();
  for (const item of text.split(',')) {
    const [range = '', step = '1'] = item.split('/');
    const [from = '', to = from] = range.split('-');
    const [first, last] = range === '*' ? [low, high] : [Number(from), Number(to)];
    for (let value = first; value <= last; value += Number(step)) values.add(value);
  }
  return values;
}

function readCron(text: string): Cron {
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = text.split(' ');
  return {
    minutes: parseField(minute, 0, 59),
    hours: parseField(hour, 0, 23),
    days: parseField(day, 1, 31),
    months: parseField(month, 1, 12),
    weekdays: new Set([...parseField(weekday, 0, 7)].map((value) => value % 7)),
    either: !day.startsWith('*') && !weekday.startsWith('*'),
  };
}

function isDay(cron: Cron, midnightMs: number): boolean {
  const date = new Date(midnightMs);
  if (!cron.months.has(date.getUTCMonth() + 1)) return false;
  const byDay = cron.days.has(date.getUTCDate());
  const byWeekday = cron.weekdays.has(date.getUTCDay());
  return cron.either ? byDay || byWeekday : byDay && byWeekday;
}

/** The first time of a schedule in UTC that is later than `afterMs`, unix ms; undefined: it never comes (the 30th of February). */
export function nextCron(text: string, afterMs: number): number | undefined {
  const cron = readCron(text);
  const minutes = [...cron.minutes].sort((a, b) => a - b);
  const hours = [...cron.hours].sort((a, b) => a - b);
  const first = Math.floor(afterMs / dayMs) * dayMs;
  for (let midnight = first; midnight <= first + mostDays * dayMs; midnight += dayMs) {
    if (!isDay(cron, midnight)) continue;
    for (const hour of hours) {
      const minute = minutes.find((value) => midnight + hour * 3_600_000 + value * 60_000 > afterMs);
      if (minute !== undefined) return midnight + hour * 3_600_000 + minute * 60_000;
    }
  }
  return undefined;
}
