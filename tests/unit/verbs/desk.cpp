// SPDX-License-Identifier: MIT
#include "desk.h"

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

namespace xk::verbs::test {

Desk::Desk() : verbs(all_verbs(daemon), sink, [this] { return now; }) {
    auto logger = std::make_shared<spdlog::logger>("desk", std::make_shared<spdlog::sinks::ostream_sink_st>(log_));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
}

Desk::~Desk() { spdlog::set_default_logger(std::make_shared<spdlog::logger>("none")); }

std::string Desk::ask_text(const std::string& request) {
    control::Answer answer = verbs.answer(peer, request);
    while (answer.rest && answer.rest(answer.json)) {
    }
    return answer.json;
}

json Desk::ask(const json& request) { return json::parse(ask_text(request.dump())); }

std::string Desk::ask_wrong(const json& request) {
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
