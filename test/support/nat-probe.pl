#!/usr/bin/perl
# Asks ports for their line, once each, or over and over with the time at which the answer became another one.
# usage: nat-probe.pl tcp|udp FROM|- ADDRESS PORT...     a line for each port: the answer, "refused", or "silent"
#        nat-probe.pl watch ADDRESS PORT                 "MILLISECONDS open|shut" at each change, until it is killed
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use Time::HiRes;

$SIG{PIPE} = 'IGNORE';
$| = 1;

sub ask {
    my ($protocol, $from, $address, $port, $seconds) = @_;
    my @from = $from eq '-' ? () : (LocalHost => $from);
    my $socket = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Proto => $protocol, @from, $protocol eq 'tcp' ? (Timeout => $seconds) : ());
    return $!{ECONNREFUSED} ? 'refused' : 'silent' unless $socket;
    # A datagram may be lost, as one is while an address is looked up.
    for my $attempt (1 .. ($protocol eq 'tcp' ? 1 : 3)) {
        $socket->send("?\n") if $protocol eq 'udp';
        next unless IO::Select->new($socket)->can_read($protocol eq 'tcp' ? $seconds : $seconds / 3);
        my $read = $socket->sysread(my $line, 512);
        if (!defined $read) { return 'refused' if $!{ECONNREFUSED}; next }
        chomp $line;
        return $line eq '' ? 'silent' : $line;
    }
    return 'silent';
}

my ($kind, @rest) = @ARGV;
if ($kind eq 'watch') {
    my ($address, $port) = @rest;
    my $was = '';
    while (1) {
        my $is = ask('tcp', '-', $address, $port, 0.4) =~ / saw / ? 'open' : 'shut';
        printf "%d %s\n", Time::HiRes::time() * 1000, $is if $is ne $was;
        $was = $is;
        Time::HiRes::sleep(0.05);
    }
} else {
    my ($from, $address, @ports) = @rest;
    print ask($kind, $from, $address, $_, 1.5), "\n" for @ports;
}
