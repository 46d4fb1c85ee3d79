// SPDX-License-Identifier: MIT
//
// The filter follows the sequences of c-lock: the traces of that project's server, what a guess costs, and what scans
// and floods do. Random packets: trackers_test.cpp.
#include "ports.h"

#include "protocol/base/clock.h"
#include "protocol/sequence.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>
#include <sstream>

using namespace xk;
using test::address;
using test::By;
using test::Filter;
using test::FrameSpec;
using test::Ports;

namespace {

constexpr Slot kSlot = Filter::kSlot;
constexpr std::uint64_t kMinute = 60'000'000'000, kHour = 60 * kMinute;
const Ports kClock = sequence::clock_ports("287082");
const Ports kOther = sequence::clock_ports("123456");
const Ports kThird = sequence::clock_ports("755224");
const Ports kWrong = sequence::clock_ports("500000");

void with_clock(xk_settings& settings) {
    settings.c_lock_ports = 4;
    settings.attempt_burst = 10;
    settings.attempt_interval = kHour / 10;
}
void with_many_attempts(xk_settings& settings) {
    with_clock(settings);
    settings.attempt_burst = 1'000'000;
    settings.attempt_interval = 1'000;
    settings.knock_burst = 1'000'000'000;
}

test::Verdict send_syn(Filter& filter, std::uint16_t port, const std::string& source = "192.0.2.7") {
    return test::send_port(filter, port, By::syn, source);
}

test::Verdict knock(Filter& filter, const Ports& ports, const std::string& source = "192.0.2.7") {
    return test::send_ports(filter, ports, By::syn, source);
}

std::string nth_source(unsigned i) {
    return "198." + std::to_string(18 + (i >> 16)) + "." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255);
}

struct Trace {
    std::string name;
    std::vector<std::string> events; // "A:22251", "A:20230*", "slot"
};

std::vector<Trace> traces() {
    std::ifstream in(XK_VECTORS "/c_lock.txt");
    REQUIRE(in);
    std::vector<Trace> all;
    bool are_traces = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('['))
            are_traces = line.starts_with("[server traces]");
        const auto equals = line.find(" = ");
        if (!are_traces || line.starts_with('#') || equals == line.npos)
            continue;
        Trace& trace = all.emplace_back(Trace{line.substr(0, equals), {}});
        std::istringstream events(line.substr(equals + 3));
        for (std::string event; events >> event;)
            trace.events.push_back(event);
    }
    return all;
}

// Where this filter differs from the original's tracking, for the better: a repeated port does no harm, and a sequence
// opens once. A port that no sequence can have is as if nobody had sent it.
bool differs(const std::string& trace) {
    return trace.starts_with("first port twice") || trace.starts_with("second port repeated") ||
           trace.starts_with("other port between") || trace.starts_with("replayed in the slot by another source") ||
           trace.starts_with("two sources interleaved");
}

} // namespace

TEST_CASE("the traces of c-lock's own server complete the same sequences") {
    const auto all = traces();
    CHECK(all.size() == 13);
    for (const Trace& trace : all) {
        CAPTURE(trace.name);
        Filter filter([](xk_settings& s) { with_many_attempts(s), s.open_ports[0] = 80; });
        Slot slot = kSlot;
        filter.publish_c_lock(kClock, slot);
        for (const std::string& event : trace.events) {
            CAPTURE(event);
            if (event == "slot") {
                filter.set_sequence_slot({slot, 0, 1, 0});
                filter.publish_c_lock({21494, 22726, 41130, 5033}, ++slot);
                continue;
            }
            const auto port = static_cast<std::uint16_t>(std::stoi(event.substr(2)));
            const std::string source = event[0] == 'A' ? "192.0.2.7" : "192.0.2.8";
            const bool opens = event.ends_with('*');
            const bool reported = send_syn(filter, port, source).sequence.has_value();
            filter.forgive(source.c_str()); // the original knows no penalties
            if (!differs(trace.name))
                CHECK(reported == opens);
        }
    }
}

TEST_CASE("ours differ from those traces: a repeated port counts once, and a sequence opens once") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    CHECK(knock(filter, {22251, 22251, 45971, 45971, 45971, 34763, 20230}).sequence);
    for (const char* source : {"192.0.2.7", "192.0.2.8"}) {
        const auto replay = knock(filter, kClock, source);
        CHECK_FALSE(replay.sequence);
        CHECK(replay.counters == std::vector<int>{XK_SEEN});
    }
    const auto until = filter.attempts_until();
    knock(filter, kClock, "192.0.2.9");
    CHECK(filter.attempts_until() == until); // a replay costs nobody a token
}

TEST_CASE("a sequence of c-lock becomes one record of its kind, over IPv4 and IPv6") {
    for (const char* source : {"192.0.2.7", "2001:db8::7"}) {
        Filter filter(with_clock);
        filter.publish_c_lock(kClock, kSlot);
        const auto verdict = knock(filter, kClock, source);
        CHECK(verdict.counters == std::vector<int>{XK_SEQUENCE});
        REQUIRE(verdict.sequence);
        CHECK(verdict.sequence->head.kind == XK_RECORD_C_LOCK);
        CHECK(std::memcmp(verdict.sequence->head.source.bytes, address(source).bytes.data(), 16) == 0);
        CHECK(verdict.sequence->head.credential == Filter::kCredential);
        CHECK(verdict.sequence->head.slot == kSlot);
        CHECK(verdict.sequence->sent.count == 4);
        CHECK(std::equal(kClock.begin(), kClock.end(), verdict.sequence->sent.port));
    }
}

TEST_CASE("while the setting is off nothing of c-lock is in the program") {
    Filter filter;
    filter.publish_c_lock(kClock, kSlot);
    CHECK_FALSE(knock(filter, kClock).sequence);
    CHECK(filter.run_entries() == 0);
    CHECK(filter.code_size() + 200 * sizeof(bpf_insn) < Filter(with_clock).code_size());
}

TEST_CASE("datagrams do not count, nor SYNs to others or from nobody") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    for (const std::uint16_t port : kClock) {
        FrameSpec spec;
        spec.destination_port = port;
        spec.source = address("192.0.2.7");
        CHECK_FALSE(filter.run(spec).sequence);
        CHECK_FALSE(filter.run(test::tcp(spec, test::kAck, port)).sequence);
        spec.destination = address("192.0.2.99");
        CHECK_FALSE(filter.run(test::tcp(spec, test::kSyn, port)).sequence);
        CHECK_FALSE(send_syn(filter, port, "127.0.0.1").sequence);
    }
    CHECK(filter.run_entries() == 0);
}

TEST_CASE("a port that repeats within the sequence counts at its place") {
    for (const Ports& ports :
         {Ports{5000, 5000, 6000, 7000}, Ports{5000, 6000, 5000, 5000}, Ports{5000, 6000, 5000, 6000}}) {
        Filter filter(with_clock);
        filter.publish_c_lock(ports, kSlot);
        CHECK(knock(filter, ports).sequence);
    }
}

TEST_CASE("a pause of two seconds begins another run, and a shorter one does not") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    knock(filter, {9999, 9998, 9997});
    filter.age_runs(XK_RUN_PAUSE);
    CHECK(knock(filter, kClock).sequence);
    Filter slow(with_clock);
    slow.publish_c_lock(kClock, kSlot);
    for (const std::uint16_t port : Ports{22251, 45971, 34763}) {
        CHECK_FALSE(send_syn(slow, port).sequence);
        slow.age_runs(XK_RUN_PAUSE - 500'000'000);
    }
    CHECK(send_syn(slow, 20230).sequence);
}

TEST_CASE("at the turn of a slot one run stands for both") {
    const std::uint64_t now = static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count());
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot, 0, now + kHour);
    filter.publish_c_lock(kOther, kSlot + 1, now - 1, now + kHour, 4);
    const auto before = knock(filter, kClock, "192.0.2.7");
    REQUIRE(before.sequence);
    CHECK(before.sequence->head.slot == kSlot);
    const auto present = knock(filter, kOther, "192.0.2.8");
    REQUIRE(present.sequence);
    CHECK(present.sequence->head.slot == kSlot + 1);
    CHECK(present.sequence->head.credential == 4);
    Ports mixed = {kClock[0], kOther[1], kClock[2], kOther[3]};
    CHECK_FALSE(knock(filter, mixed, "192.0.2.9").sequence);
}

TEST_CASE("c-lock and strong sequences are followed beside one another") {
    const Ports strong = {24600, 25000, 32767, 24576, 30000, 31000};
    Filter filter([](xk_settings& s) { with_clock(s), s.sequences = 1; });
    filter.publish_sequence(strong, kSlot, 0, ~0ull, 5);
    filter.publish_c_lock(kClock, kSlot);
    const auto first = knock(filter, strong, "192.0.2.8");
    REQUIRE(first.sequence);
    CHECK(first.sequence->head.kind == XK_RECORD_SEQUENCE);
    const auto second = knock(filter, kClock);
    REQUIRE(second.sequence);
    CHECK(second.sequence->head.kind == XK_RECORD_C_LOCK);
}

TEST_CASE("a failed run costs a token, and its source a minute, ten minutes, an hour") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    for (const std::uint64_t penalty : {kMinute, 10 * kMinute, kHour, kHour}) {
        const auto until = filter.attempts_until();
        CHECK_FALSE(knock(filter, kWrong).sequence);
        CHECK(filter.attempts_until() >= until + kHour / 10);
        const auto paid = filter.attempts_until();
        knock(filter, kWrong);
        knock(filter, kClock); // not followed
        CHECK(filter.attempts_until() == paid);
        filter.age_runs(penalty - kMinute / 2);
        CHECK_FALSE(knock(filter, kClock).sequence);
        filter.age_runs(kMinute / 2);
    }
    CHECK(knock(filter, kClock).sequence);
    filter.publish_c_lock(kOther, kSlot + 1);
    CHECK_FALSE(knock(filter, kWrong).sequence); // the right one has cleared those before
    filter.age_runs(kMinute);
    CHECK(knock(filter, kOther).sequence);
}

TEST_CASE("a failed run is reported with its source, and all sources together no more than the budget") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    unsigned reported = 0;
    for (unsigned source = 0; source < 1000; ++source) {
        const auto verdict = knock(filter, kWrong, nth_source(source));
        CHECK_FALSE(verdict.sequence);
        if (!verdict.failure)
            continue;
        ++reported;
        CHECK(verdict.failure->head.kind == XK_RECORD_C_LOCK);
        CHECK(std::memcmp(verdict.failure->head.source.bytes, address(nth_source(source).c_str()).bytes.data(), 16) ==
              0);
        CHECK_FALSE(knock(filter, kWrong, nth_source(source)).failure); // it is not followed now
    }
    CHECK(reported >= XK_FAILURE_BURST);
    CHECK(reported <= XK_FAILURE_BURST + 5); // seconds that this may take
}

TEST_CASE("fewer ports than a sequence are free") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    for (unsigned i = 0; i < 1000; ++i)
        knock(filter, {9999, 9998, 9997}, nth_source(i));
    CHECK(filter.attempts_until() == 0);
    CHECK(knock(filter, kClock).sequence);
}

TEST_CASE("of all sources together only so many guesses count, a right one too") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    for (unsigned i = 0; i < 5; ++i) // half of ten: the rest is for those who were right before
        knock(filter, kWrong, nth_source(i));
    const auto spent = filter.attempts_until();
    for (unsigned i = 5; i < 1000; ++i)
        knock(filter, kWrong, nth_source(i));
    CHECK(filter.attempts_until() == spent);
    const auto refused = knock(filter, kClock);
    CHECK_FALSE(refused.sequence);
    CHECK(refused.counters == std::vector<int>{XK_RATE});
    filter.age_runs(kHour / 10);
    CHECK_FALSE(knock(filter, kClock, "192.0.2.8").sequence); // whoever has listened must not use it now
    filter.publish_c_lock(kOther, kSlot + 1);
    filter.age_runs(kHour / 10);
    CHECK(knock(filter, kOther).sequence);
}

TEST_CASE("who was right before has a share that strangers cannot use up") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    CHECK(knock(filter, kClock).sequence);
    for (unsigned i = 0; i < 100; ++i)
        knock(filter, kWrong, nth_source(i));
    filter.publish_c_lock(kOther, kSlot + 1);
    CHECK(knock(filter, kOther).sequence);
    filter.publish_c_lock(kThird, kSlot + 2);
    CHECK_FALSE(knock(filter, kThird, "192.0.2.8").sequence); // a stranger
}

TEST_CASE("no order in which an attacker overlaps guesses makes one token worth two") {
    // Each guess begins with the last port of the one before.
    const Ports chain = {1111, 2222, 3333, kClock[0], kClock[1], kClock[2], kClock[3]};
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    CHECK_FALSE(knock(filter, chain).sequence);
    filter.age_runs(kHour);
    CHECK_FALSE(knock(filter, {1111, kClock[0], kClock[1], kClock[2], kClock[3]}).sequence);
}

TEST_CASE("a scan of all ports opens nothing, costs one token a minute at most, and leaves one entry") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    for (unsigned port = 1; port < 65536; ++port)
        CHECK_FALSE(send_syn(filter, static_cast<std::uint16_t>(port)).sequence);
    CHECK(filter.run_entries() == 1);
    CHECK(filter.records() == 1);                       // the report of its source
    CHECK(knock(filter, kClock, "192.0.2.8").sequence); // others are not kept out
}

TEST_CASE("a scan of all ports from 10,000 sources opens nothing and stays bounded") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    const auto begin = std::chrono::steady_clock::now();
    std::mt19937 random(7);
    for (unsigned port = 1; port < 65536; ++port)
        CHECK_FALSE(
            send_syn(filter, static_cast<std::uint16_t>(port), nth_source(static_cast<unsigned>(random() % 10'000)))
                .sequence);
    CHECK(filter.run_entries() <= XK_MAX_RUNS);
    // Reports of sources, of all of them together: so many at once, and one a second.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
    CHECK(filter.records() <= XK_FAILURE_BURST + static_cast<std::size_t>(seconds));
    for (unsigned i = 0; i < 40'000; ++i)
        send_syn(filter, 5000, nth_source(10'000 + i));
    CHECK(filter.run_entries() <= XK_MAX_RUNS);
    filter.age_runs(kHour);
    CHECK(knock(filter, kClock).sequence);
}

TEST_CASE("a port that no sequence can have does not matter, wherever it comes") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    send_syn(filter, 1023);
    CHECK(filter.run_entries() == 0);
    Ports among = kClock;
    among.insert(among.begin() + 2, {443, 22, 1023});
    CHECK(knock(filter, among).sequence);
    const auto before = filter.attempts_until();
    for (std::uint16_t port = 1; port < 1024; ++port)
        send_syn(filter, port, "192.0.2.8");
    CHECK(filter.attempts_until() == before);
}

TEST_CASE("all addresses of an IPv6 network of 64 bits are one source") {
    Filter filter(with_clock);
    filter.publish_c_lock(kClock, kSlot);
    knock(filter, kWrong, "2001:db8:1::7");
    CHECK_FALSE(knock(filter, kClock, "2001:db8:1::8").sequence);
    CHECK(knock(filter, kClock, "2001:db8:2::8").sequence);
}
