// SPDX-License-Identifier: MIT
//
// The control socket: a stream gives the same frames however it is cut, and none is longer than allowed. The daemon's
// own verbs answer each frame, with the unit tests' fake daemon behind them: every request gets a reply that is JSON,
// whatever operation fails, and a reader changes nothing.
#include "daemon/control/frame.h"
#include "daemon/verbs/verbs.h"
#include "fuzz.h"
#include "protocol/base/quote.h"
#include "tests/unit/verbs/fake_daemon.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <vector>

using namespace xk;
using namespace xk::fuzz;
using nlohmann::json;

namespace {

struct Recorder final : authz::EventSink {
    void on_event(const authz::Event& event) override { events.push_back(event); }
    std::vector<authz::Event> events;
};

struct Frames {
    std::vector<std::string> all;
    bool failed = false;
    std::string left;
};

// Gives `stream` to take_frame() in pieces of a length that `next_piece` says.
template <typename NextPiece>
Frames cut(std::string_view stream, std::size_t limit, NextPiece next_piece) {
    Frames frames;
    while (!stream.empty() && !frames.failed) {
        const std::string_view piece = stream.substr(0, next_piece());
        stream.remove_prefix(piece.size());
        frames.left += piece;
        for (;;) {
            auto taken = control::take_frame(frames.left, limit);
            if (!taken) {
                FUZZ_CHECK(is_printable(taken.error().message));
                frames.failed = true;
                break;
            }
            if (!*taken) {
                FUZZ_CHECK(frames.left.size() < 4 + limit); // no more is ever kept than one frame
                break;
            }
            FUZZ_CHECK((*taken)->size() <= limit);
            frames.all.push_back(**std::move(taken));
        }
    }
    return frames;
}

const Now kNow{WallTime(std::chrono::seconds(1'763'725'807)), BootTime(std::chrono::seconds(5'000))};

// Operations of the fake daemon; the first one is none of them.
constexpr const char* kOperations[] = {
    "",         "ban",     "unban",  "open",       "close",   "end", "end-banned-sessions",
    "panic",    "unlock",  "reload", "panic-over", "confirm", "try", "clock-accept",
    "takeover", "counters"};

// A grant and a ban, so that lists have rows; and one operation that fails.
void fill(verbs::test::FakeDaemon& daemon, std::size_t failing) {
    const Address source = Address::v4(192, 0, 2, 9);
    daemon.failing = kOperations[failing];
    daemon.grants = {{.pinhole = {source, {}, {IpProtocol::tcp, 22}},
                      .endpoint = "tcp/22",
                      .service = "ssh",
                      .holders = {{verbs::test::kLaptop, kNow.boot + std::chrono::seconds(30)}}}};
    daemon.book.set(Prefix::of(source), {{"sshd", Prefix::of(source), std::nullopt}});
}

void check_request(const std::string& text, control::Role role, std::size_t failing) {
    verbs::test::FakeDaemon daemon;
    fill(daemon, failing);
    const auto book = daemon.book.all();
    Recorder recorder;
    const verbs::Verbs all(verbs::all_verbs(daemon), recorder, [] { return kNow; });
    control::Reply answer = all.reply_to({role, 1000, 1, std::nullopt}, text);
    while (answer.rest && answer.rest(answer.json)) {
    }
    FUZZ_CHECK(!json::parse(answer.json, nullptr, false).is_discarded()); // knockctl can read it
    FUZZ_CHECK(answer.json.size() <= 20'000 + 200 * text.size());         // no request makes a reply of any size
    if (role == control::Role::reader) {
        FUZZ_CHECK(recorder.events.empty() && daemon.book.all() == book);
        FUZZ_CHECK(daemon.calls.empty() || daemon.calls == std::vector<std::string>{"counters"});
    }
    for (const authz::Event& event : recorder.events)
        FUZZ_CHECK(is_printable(event.detail) && event.detail.size() < 1000);
    std::string framed = control::frame(answer.json);
    const auto back = control::take_frame(framed, control::kMaxReply);
    FUZZ_CHECK(back && *back && **back == answer.json && framed.empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::size_t kLimits[] = {control::kMaxRequest, 0, 16, 300};
    spdlog::set_level(spdlog::level::off); // a line for each request would be most of the time
    Input in(data, size);
    const std::uint8_t how = in.number();
    const std::size_t limit = kLimits[how % 4];
    const std::uint8_t stride = in.number();
    const std::string_view rest = text_of(in.rest());
    // Either any stream, or whole requests, one to a line.
    std::string stream;
    if (how & 4) {
        for (std::size_t at = 0; at <= rest.size();) {
            const std::size_t end = std::min(rest.find('\n', at), rest.size());
            stream += control::frame(rest.substr(at, end - at));
            at = end + 1;
        }
    } else {
        stream = rest;
    }

    const Frames whole = cut(stream, limit, [] { return std::string::npos; });
    std::size_t step = 0;
    const Frames pieces = cut(stream, limit, [&] { return 1 + (step++ * 7 + stride) % (1u + stride); });
    FUZZ_CHECK(whole.all == pieces.all && whole.failed == pieces.failed);
    if (!whole.failed) {
        FUZZ_CHECK(whole.left == pieces.left);
        std::string again;
        for (const std::string& frame : whole.all)
            again += control::frame(frame);
        FUZZ_CHECK(again + whole.left == stream);
    }
    for (const std::string& frame : whole.all)
        check_request(frame, how & 8 ? control::Role::reader : control::Role::admin, how >> 4);
    return 0;
}
