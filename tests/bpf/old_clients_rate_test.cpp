// SPDX-License-Identifier: MIT
//
// How many packets of old clients pass the filter: of one source, of all, and while the ring fills.
#include "old_packets.h"

#include "protocol/base/clock.h"

#include <chrono>

using namespace xk;
using test::expect_refused;
using test::expect_taken;
using test::Filter;
using test::FrameSpec;
using test::fwknop_text;
using test::is_counted;
using test::json_text;
using test::kJson;
using test::kKnock;
using test::kText;
using test::listening;
using test::sent;

TEST_CASE("one source has its burst, and takes nothing from others") {
    Filter filter(listening());
    FrameSpec loud = sent(fwknop_text(), kText);
    for (int i = 0; i < XK_LEGACY_SOURCE_BURST; ++i)
        CHECK(is_counted(filter.run(loud), XK_LEGACY));
    int refused = 0;
    for (int i = 0; i < 1000; ++i)
        refused += is_counted(filter.run(loud), XK_LEGACY_RATE);
    CHECK(refused > 950); // it gains one each 250 ms
    loud.destination_port = kJson;
    loud.payload.assign(300, ' ');
    CHECK(is_counted(filter.run(loud), XK_LEGACY_RATE)); // both clients share it
    for (int i = 0; i < 20; ++i)
        expect_taken(filter, sent(json_text(), kJson), XK_RECORD_CAPYKNOCK);
}

TEST_CASE("ten thousand sources reach the ceiling, and knocks go on") {
    Filter filter(listening({kKnock, kKnock}));
    const auto begin = BootClock::now();
    std::size_t taken = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto verdict = filter.run(sent(fwknop_text(), kKnock));
        taken += is_counted(verdict, XK_LEGACY);
        CHECK((is_counted(verdict, XK_LEGACY) || is_counted(verdict, XK_LEGACY_RATE)));
    }
    const std::chrono::duration<double> took = BootClock::now() - begin;
    CHECK(taken >= XK_LEGACY_BURST);
    CHECK(static_cast<double>(taken) <= XK_LEGACY_BURST + 1 + 500 * took.count());
    CHECK(filter.records() == taken);
    FrameSpec knock = sent("", kKnock);
    knock.payload = Filter::sealed();
    CHECK(is_counted(filter.run(knock), XK_CANDIDATE));
}

TEST_CASE("junk that is no old client's takes no token") {
    Filter filter(listening());
    for (int i = 0; i < 5'000; ++i)
        expect_refused(filter, sent(fwknop_text(205), kText), XK_LEGACY_FORM);
    for (int i = 0; i < 400; ++i)
        CHECK(is_counted(filter.run(sent(fwknop_text(), kText)), XK_LEGACY));
}

TEST_CASE("old clients take a quarter of the ring, and the rest is for knocks") {
    Filter filter([](xk_settings& s) { listening()(s), s.knock_burst = 1'000'000; });
    filter.stop_consuming();
    unsigned seed = 0;
    const auto knock = [&] {
        FrameSpec spec = sent("", kKnock);
        spec.payload = Filter::sealed(static_cast<std::uint8_t>(seed));
        ++seed;
        return filter.run(spec);
    };
    // 264 bytes each.
    std::size_t stored = 0;
    while (stored < XK_LEGACY_RING / 264 - 1) {
        const auto verdict = knock();
        REQUIRE(is_counted(verdict, XK_CANDIDATE));
        ++stored;
    }
    CHECK(is_counted(filter.run(sent(fwknop_text(), kText)), XK_LEGACY));
    while (stored < XK_LEGACY_RING / 264 + 3) {
        CHECK(is_counted(knock(), XK_CANDIDATE));
        ++stored;
    }
    expect_refused(filter, sent(fwknop_text(), kText), XK_RING_FULL);
    CHECK(is_counted(knock(), XK_CANDIDATE));
    filter.consume();
    CHECK(is_counted(filter.run(sent(fwknop_text(), kText)), XK_LEGACY));
}
