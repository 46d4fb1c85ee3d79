// SPDX-License-Identifier: MIT
#include "fixture.h"

#include <doctest/doctest.h>

namespace xk::verbs::test {

Recorder::Recorder(std::ostream& log)
    : lines([&log](events::LogSink::Level level, const std::string& line) {
          constexpr const char* kLevels[] = {"debug", "info", "warning", "error", "critical"};
          log << kLevels[static_cast<int>(level)] << ' ' << line << '\n';
      }) {}

std::string VerbFixture::ask_text(const std::string& request) {
    control::Reply answer = verbs.reply_to(peer, request);
    while (answer.rest && answer.rest(answer.json)) {
    }
    return answer.json;
}

json VerbFixture::ask(const json& request) { return json::parse(ask_text(request.dump())); }

std::string VerbFixture::ask_wrong(const json& request) {
    const json reply = ask(request);
    REQUIRE_MESSAGE(reply.contains("error"), reply.dump());
    CHECK(reply.size() == 3);
    return reply["error"].get<std::string>() + "|" + reply["hint"].get<std::string>() + "|" +
           std::to_string(reply["exit"].get<int>());
}

Address address_of(const char* text) { return Address::parse(text).value(); }
Prefix prefix_of(const char* text) { return Prefix::parse(text).value(); }

GrantRow make_grant(const char* address, std::uint16_t port, const char* service, std::vector<authz::Holder> holders) {
    const Endpoint endpoint{IpProtocol::tcp, port};
    return {.pinhole = {address_of(address), {}, endpoint},
            .endpoint = endpoint.text(),
            .service = service,
            .holders = std::move(holders)};
}

} // namespace xk::verbs::test
