// SPDX-License-Identifier: MIT
//
// The control socket: a stream gives the same frames however it is cut, none longer than allowed; and each frame
// as JSON, read as the daemon's verbs read it, gives a reply and no exception.
#include "daemon/control/frame.h"
#include "fuzz.h"
#include "protocol/base/address.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <vector>

using namespace xk;
using namespace xk::fuzz;
using nlohmann::json;

namespace {

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

// Daemon-side reading of a request: types that are not as they should be are json::exceptions, caught there.
json reply_to(const json& request) {
    if (!request.is_object() || !request.contains("verb") || !request["verb"].is_string())
        return {{"error", "the request is not a JSON object with a verb"}};
    const std::string name = request["verb"];
    try {
        const std::string prefix = request.value("prefix", "");
        const std::string what = request.value("what", "");
        const std::string reason = request.value("reason", "");
        json reply = {{"verb", name}, {"what", in_quotes(what)}, {"reason", reason}};
        if (request.contains("seconds")) {
            const json& seconds = request["seconds"];
            if (!seconds.is_number_unsigned() || seconds > UINT32_MAX)
                return {{"error", "the time of a ban is not a number of seconds"}};
            reply["seconds"] = seconds.get<std::uint32_t>();
        }
        if (const auto parsed = Prefix::parse(prefix))
            reply["prefix"] = parsed->text();
        else
            reply["error"] = parsed.error().message;
        return reply;
    } catch (const json::exception&) {
        return {{"error", "a field of the request has the wrong type"}};
    }
}

void check_request(const std::string& text) {
    const json parsed = json::parse(text, nullptr, false);
    const json reply = parsed.is_discarded() ? json{{"error", "the request is not JSON"}} : reply_to(parsed);
    const std::string out = reply.dump(-1, ' ', false, json::error_handler_t::replace);
    FUZZ_CHECK(!json::parse(out, nullptr, false).is_discarded()); // knockctl can read it
    std::string framed = control::frame(out);
    const auto back = control::take_frame(framed, control::kMaxReply);
    FUZZ_CHECK(back && *back && **back == out && framed.empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::size_t kLimits[] = {control::kMaxRequest, 0, 16, 300};
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
        check_request(frame);
    return 0;
}
