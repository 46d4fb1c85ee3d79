// SPDX-License-Identifier: MIT
//
// VerbFixture: the verbs in front of a FakeDaemon. It sends requests as the control socket does. Only a test moves its
// clock.
#pragma once

#include "daemon/events/log_sink.h"
#include "daemon/verbs/verbs.h"
#include "fake_daemon.h"
#include "tests/unit/recording/log.h"

#include <nlohmann/json.hpp>

namespace xk::verbs::test {

using nlohmann::json;

// Keeps the events, and has their lines.
struct Recorder final : authz::EventSink {
    explicit Recorder(std::ostream& log);
    void on_event(const authz::Event& event) override {
        events.push_back(event);
        lines.on_event(event);
    }
    std::vector<authz::Event> events;
    events::LogSink lines;
};

class VerbFixture {
    xk::test::CapturedLog log_; // before the sink, which writes to it too

  public:
    control::Peer peer{control::Role::admin, 1000, 4711, std::nullopt};
    FakeDaemon daemon;
    Recorder sink{log_.stream()};
    Now now{WallTime(std::chrono::seconds(1'763'725'807)), BootTime(std::chrono::seconds(5'000))};
    Verbs verbs{all_verbs(daemon), sink, [this] { return now; }};

    // The whole reply, also of a list.
    std::string ask_text(const std::string& request);
    json ask(const json& request);
    // Of an error: "message|hint|exit", and nothing else is in it.
    std::string ask_wrong(const json& request);
    // A reply that is begun, and gone on with by the test.
    control::Reply begin(const json& request) { return verbs.reply_to(peer, request.dump()); }
    std::string log() const { return log_.text(); }
    BootTime in(std::int64_t seconds) const { return now.boot + std::chrono::seconds(seconds); }
};

Address address_of(const char* text);
Prefix prefix_of(const char* text);
GrantRow make_grant(const char* address, std::uint16_t port, const char* service, std::vector<authz::Holder> holders);

} // namespace xk::verbs::test
