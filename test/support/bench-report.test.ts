import { describe, expect, it } from 'vitest';
import { formatFigure, judge, ratio, summarise, type Figure } from '../bench/report.js';
import { countStarted } from '../bench/steady.js';

describe('the report of a bench', () => {
  it('gives the median and the 10th and 90th percentile, and least and most of a few', () => {
    expect(summarise(Array.from({ length: 101 }, (_, index) => index))).toEqual({ median: 50, low: 10, high: 90, n: 101 });
    expect(summarise([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3, n: 3 });
  });

  it('compares round by round, so that one slow round of both says nothing', () => {
    expect(ratio([2, 20, 2], [1, 10, 1])).toBe(2);
    expect(ratio([2, 4], [1, 2, 3])).toBe(1.5);
  });

  it('judges a bar over a peer and a bar in its own unit', () => {
    const figure: Figure = { id: 'x', title: 'work', unit: 'ms', values: [13], peers: [{ name: 'theirs', values: [10] }], bar: { most: 1.2, peer: 'theirs' } };
    expect(judge(figure)?.met).toBe(false);
    expect(judge({ ...figure, bar: { most: 13 } })?.met).toBe(true);
    expect(judge({ ...figure, bar: { least: 1.4, peer: 'theirs' } })).toEqual({ met: false, text: 'bar at least 1.4 x theirs: MISSED' });
    expect(judge({ ...figure, bar: { least: 13 } })?.met).toBe(true);
    expect(formatFigure(figure)).toBe('work: 13.0 ms (13.0-13.0, n 1) | theirs 10.0 ms (10.0-10.0, n 1), ratio 1.30 | bar 1.2 x theirs: MISSED');
    expect(() => judge({ ...figure, bar: { most: 1, peer: 'nobody' } })).toThrow('nobody');
  });

  it('counts programs and processes in a trace, and no threads or failures', () => {
    const trace = [
      '10 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM, exit_signal=0} => {parent_tid=[11]}, 88) = 11',
      '10 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 12',
      '12 execve("/usr/bin/true", ["true"], 0x7ffd /* 4 vars */) = 0',
      '12 execve("/bin/gone", ["gone"], 0x7ffd /* 4 vars */) = -1 ENOENT (No such file or directory)',
      '10 vfork( <unfinished ...>',
      '10 <... vfork resumed>) = 13',
      '13 +++ exited with 0 +++',
    ];
    expect(countStarted(trace.join('\n'))).toEqual({ programs: 1, processes: 2 });
  });
});
