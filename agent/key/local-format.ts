/** A part of a formatted time, as Intl.DateTimeFormat has it. */
interface Part {
  readonly type: string;
  readonly value: string;
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;

/**
 * What node-cron asks of Intl.DateTimeFormat, for the host's own time zone, English, and nothing else. The packages put it in that class's place inside node-cron: the
 * class reads as much of the runtime's language data into memory as a tenth of the whole agent.
 */
export class LocalFormat {
  readonly #offset: boolean;

  constructor(_locale: string, options: { readonly timeZone?: string | undefined; readonly timeZoneName?: string }) {
    if (options.timeZone !== undefined) throw new RangeError('only the time zone of the host is known here');
    this.#offset = options.timeZoneName !== undefined;
  }

  formatToParts(date: Date): readonly Part[] {
    const two = (value: number): string => String(value).padStart(2, '0');
    if (this.#offset) return [{ type: 'timeZoneName', value: formatOffset(-date.getTimezoneOffset()) }];
    return [
      { type: 'weekday', value: weekdays[date.getDay()] ?? '' }, { type: 'month', value: two(date.getMonth() + 1) }, { type: 'day', value: two(date.getDate()) },
      { type: 'year', value: String(date.getFullYear()) }, { type: 'hour', value: two(date.getHours()) }, { type: 'minute', value: two(date.getMinutes()) }, { type: 'second', value: two(date.getSeconds()) },
    ];
  }
}

/** `GMT`, `GMT+2`, `GMT-3:30`. */
function formatOffset(minutes: number): string {
  if (minutes === 0) return 'GMT';
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `GMT${minutes < 0 ? '-' : '+'}${String(hours)}${rest === 0 ? '' : `:${String(rest).padStart(2, '0')}`}`;
}
