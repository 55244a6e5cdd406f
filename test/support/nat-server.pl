#!/usr/bin/perl
# Answers every connection and every datagram with one line: its name, who asks as it sees it, and the port that was reached.
# usage: nat-server.pl NAME PORT[-PORT]...     (perl-base of Debian is enough)
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;

$SIG{PIPE} = 'IGNORE';
my ($name, @ranges) = @ARGV;
my $select = IO::Select->new;
for my $range (@ranges) {
    my ($first, $last) = split /-/, $range;
    for my $port ($first .. $last // $first) {
        for my $kind ([Proto => 'tcp', Listen => 64], [Proto => 'udp']) {
            # Flags of its own: by default a machine without an address of IPv6 has no "::" to listen on.
            my @where = (LocalHost => '::', LocalPort => $port, GetAddrInfoFlags => Socket::AI_PASSIVE);
            my $socket = IO::Socket::IP->new(@where, V6Only => 0, ReuseAddr => 1, @$kind) or die "port $port: $@\n";
            $select->add($socket);
        }
    }
}

sub line {
    my ($socket, $peer) = @_;
    my ($error, $host) = Socket::getnameinfo($peer, Socket::NI_NUMERICHOST | Socket::NI_NUMERICSERV);
    $host =~ s/^::ffff://;
    return "$name saw $host at " . $socket->sockport . "\n";
}

while (1) {
    for my $socket ($select->can_read) {
        if ($socket->socktype == Socket::SOCK_STREAM) {
            my $client = $socket->accept or next;
            my $peer = $client->peername;
            $client->syswrite(line($socket, $peer)) if defined $peer;
            close $client;
        } else {
            my $peer = $socket->recv(my $word, 512);
            $socket->send(line($socket, $peer), 0, $peer) if defined $peer;
        }
    }
}
