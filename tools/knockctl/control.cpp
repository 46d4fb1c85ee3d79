// SPDX-License-Identifier: MIT
#include "tools/knockctl/control.h"

#include "daemon/control/frame.h"
#include "protocol/base/quote.h"

#include <iostream>

namespace xk::tools {

using nlohmann::json;

int fail(const Error& error) {
    std::cerr << (error.message.find('\n') == std::string::npos ? "knockctl: " : "") << as_lines(error.message) << "\n";
    if (!error.hint.empty())
        std::cerr << "  hint: " << as_line(error.hint) << "\n";
    return static_cast<int>(error.exit);
}

std::string counted(unsigned number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

std::string text_of(const json& value, int indent) {
    return value.dump(indent, ' ', true, json::error_handler_t::replace);
}

bool Control::somebody_answers() const {
    return control::send_request(socket, text_of({{"verb", "status"}})).has_value();
}

Result<json> Control::ask(const json& request) const {
    auto reply = control::send_request(socket, text_of(request));
    if (!reply)
        return reply.error();
    json parsed = json::parse(*reply, nullptr, false);
    if (parsed.is_discarded() || !parsed.is_object())
        return Error{"the reply of xknockd makes no sense", hint_of_releases()};
    if (!parsed.contains("error"))
        return parsed;
    Error error{parsed.value("error", ""), parsed.value("hint", ""), static_cast<Exit>(parsed.value("exit", 1))};
    if (error.hint.empty())
        error.hint = hint_of_releases();
    return error;
}

std::string Control::hint_of_releases() const {
    const auto reply = control::send_request(socket, text_of({{"verb", "status"}}));
    const json status = reply ? json::parse(*reply, nullptr, false) : json();
    const std::string version = status.is_object() ? status.value("version", XK_VERSION) : XK_VERSION;
    if (version == XK_VERSION)
        return {};
    return "xknockd " + printable(version) + " runs, and this is knockctl " XK_VERSION ": systemctl restart xknockd";
}

int Control::ask(const json& request, const std::function<std::string(const json&)>& show) const {
    const auto reply = ask(request);
    if (!reply)
        return fail(reply.error());
    std::cout << (as_json ? text_of(*reply, 2) + "\n" : as_lines(show(*reply)));
    return 0;
}

} // namespace xk::tools
