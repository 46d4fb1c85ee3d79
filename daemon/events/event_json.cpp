// SPDX-License-Identifier: MIT
#include "daemon/events/event_json.h"

#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <ctime>
#include <limits>
#include <stdexcept>
#include <type_traits>

namespace xk::events {
namespace {

using authz::Event;
using nlohmann::json;

// "2026-11-21T10:20:30Z"
std::string utc(WallTime t) {
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
    std::tm parts{};
    if (::gmtime_r(&seconds, &parts) == nullptr)
        return "";
    char text[40];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

void put(json& to, const char* name, const std::string& text) {
    if (!text.empty())
        to[name] = text;
}
void put(json& to, const char* name, const std::optional<Address>& address) {
    if (address)
        to[name] = address->text();
}
void put(json& to, const char* name, bool value) {
    if (value)
        to[name] = true;
}
void put(json& to, const char* name, std::uint64_t value) {
    if (value != 0)
        to[name] = value;
}

template <typename T>
void get(const json& from, const char* name, T& value) {
    if (const auto field = from.find(name); field != from.end())
        value = field->get<T>();
}

// Returns a number that fits into T. nlohmann truncates a larger one without an error.
template <typename T>
T number_of(const json& field) {
    if constexpr (std::is_unsigned_v<T>) {
        if (!field.is_number_unsigned() || field.get<std::uint64_t>() > std::numeric_limits<T>::max())
            throw std::invalid_argument("a number");
        return static_cast<T>(field.get<std::uint64_t>());
    } else {
        if (!field.is_number_integer() ||
            (field.is_number_unsigned() && field.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()))
            throw std::invalid_argument("a number");
        const auto value = field.get<std::int64_t>();
        if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max())
            throw std::invalid_argument("a number");
        return static_cast<T>(value);
    }
}

template <typename T>
void get_number(const json& from, const char* name, T& value) {
    if (const auto field = from.find(name); field != from.end())
        value = number_of<T>(*field);
}
template <typename T>
void get_number(const json& from, const char* name, std::optional<T>& value) {
    if (const auto field = from.find(name); field != from.end())
        value = number_of<T>(*field);
}

// Returns seconds that can be converted into any smaller unit of time without an overflow.
std::chrono::seconds seconds_of(const json& field) {
    const auto count = number_of<std::int64_t>(field);
    constexpr std::int64_t kMost = std::int64_t{1} << 33; // 272 years
    if (count < -kMost || count > kMost)
        throw std::invalid_argument("a number of seconds");
    return std::chrono::seconds(count);
}

template <typename T>
T named(std::optional<T> found) {
    if (!found)
        throw std::invalid_argument("a name");
    return *found;
}

std::optional<authz::Reject> reject_named(std::string_view name) {
    for (std::size_t i = 0; i < authz::kRejects; ++i)
        if (name_of(static_cast<authz::Reject>(i)) == name)
            return static_cast<authz::Reject>(i);
    return std::nullopt;
}

std::optional<Action> action_named(std::string_view name) {
    for (const Action action : {Action::open, Action::close, Action::close_all, Action::probe})
        if (name_of(action) == name)
            return action;
    return std::nullopt;
}

std::optional<authz::KnockMode> way_named(std::string_view name) {
    for (std::size_t i = 0; i < authz::kKnockModes; ++i)
        if (authz::kKnockModeNames[i] == name)
            return static_cast<authz::KnockMode>(i);
    return std::nullopt;
}

template <typename T>
void get_parsed(const json& from, const char* name, std::optional<T>& value) {
    const auto field = from.find(name);
    if (field == from.end())
        return;
    auto parsed = T::parse(field->get_ref<const std::string&>());
    if (!parsed)
        throw std::invalid_argument(parsed.error().message);
    value = *parsed;
}

void get_texts(const json& from, Event& event) {
    get(from, "user", event.user);
    get(from, "device", event.device);
    get(from, "service", event.service);
    get(from, "grants", event.pinholes);
    get(from, "detail", event.detail);
    get(from, "verb", event.verb);
    get(from, "failure", event.failure);
    get(from, "more", event.more);
    bound(event);
}

void get_numbers(const json& from, Event& event) {
    std::int64_t wall = 0, boot = 0;
    get_number(from, "time_us", wall);
    get_number(from, "boot_ns", boot);
    event.at = {WallTime(std::chrono::microseconds(wall)), BootTime(std::chrono::nanoseconds(boot))};
    get_number(from, "count", event.count);
    get_number(from, "sessions", event.sessions);
    get_number(from, "bans", event.bans);
    get_number(from, "totp_step", event.totp_step);
    if (std::int64_t last = 0; from.contains("last_use_us")) {
        get_number(from, "last_use_us", last);
        event.last_use = WallTime(std::chrono::microseconds(last));
    }
    if (from.contains("seconds"))
        event.lifetime = seconds_of(from["seconds"]);
    if (from.contains("clock_ahead_s"))
        event.clock_ahead = seconds_of(from["clock_ahead_s"]);
    get(from, "for_good", event.for_good);
    get(from, "all", event.all);
    get(from, "others_remain", event.others_remain);
    get(from, "again", event.again);
    get(from, "retry", event.retry);
}

void get_names(const json& from, Event& event) {
    event.kind = named(authz::event_kind(from.at("kind").get_ref<const std::string&>()));
    if (from.contains("reason"))
        event.reject = named(reject_named(from["reason"].get_ref<const std::string&>()));
    if (from.contains("cause"))
        event.cause = named(authz::end_cause(from["cause"].get_ref<const std::string&>()));
    if (from.contains("action"))
        event.action = named(action_named(from["action"].get_ref<const std::string&>()));
    if (from.contains("way"))
        event.way = named(way_named(from["way"].get_ref<const std::string&>()));
    get_parsed(from, "source", event.source);
    get_parsed(from, "address", event.address);
    get_parsed(from, "prefix", event.prefix);
    if (const auto by = from.find("by"); by != from.end()) {
        event.by.emplace();
        event.by->uid = number_of<uid_t>(by->at("uid"));
        event.by->pid = number_of<pid_t>(by->at("pid"));
        get_number(*by, "login_uid", event.by->login_uid);
        event.by->name = by->value("name", "");
        event.by->login_name = by->value("login_name", "");
    }
}

} // namespace

json json_of(const Event& event) {
    json to = {{"kind", std::string(name_of(event.kind))},
               {"time", utc(event.at.wall)},
               {"time_us", event.at.wall.time_since_epoch().count()},
               {"boot_ns", event.at.boot.time_since_epoch().count()}};
    put(to, "user", event.user);
    put(to, "device", event.device);
    put(to, "service", event.service);
    put(to, "source", event.source);
    put(to, "address", event.address);
    put(to, "grants", event.pinholes);
    if (event.reject)
        to["reason"] = std::string(name_of(*event.reject));
    if (event.cause != authz::EndCause::none)
        to["cause"] = std::string(name_of(event.cause));
    if (event.lifetime.count() != 0)
        to["seconds"] = event.lifetime.count();
    put(to, "count", event.count);
    put(to, "detail", event.detail);
    if (event.by) {
        to["by"] = {{"uid", event.by->uid}, {"pid", event.by->pid}};
        if (event.by->login_uid)
            to["by"]["login_uid"] = *event.by->login_uid;
        put(to["by"], "name", event.by->name);
        put(to["by"], "login_name", event.by->login_name);
    }
    if (event.prefix)
        to["prefix"] = event.prefix->text();
    put(to, "verb", event.verb);
    put(to, "failure", event.failure);
    put(to, "more", event.more);
    put(to, "sessions", event.sessions);
    if (event.bans)
        to["bans"] = *event.bans;
    put(to, "for_good", event.for_good);
    put(to, "all", event.all);
    put(to, "others_remain", event.others_remain);
    put(to, "again", event.again);
    if (event.action)
        to["action"] = std::string(name_of(*event.action));
    put(to, "retry", event.retry);
    if (event.clock_ahead)
        to["clock_ahead_s"] = event.clock_ahead->count();
    if (event.totp_step)
        to["totp_step"] = *event.totp_step;
    if (event.way)
        to["way"] = std::string(authz::kKnockModeNames[static_cast<std::size_t>(*event.way)]);
    if (event.last_use)
        to["last_use_us"] = event.last_use->time_since_epoch().count();
    return to;
}

Result<Event> event_of(const json& from) {
    if (!from.is_object())
        return Error{"an event is a JSON object", {}};
    try {
        Event event;
        get_names(from, event);
        get_numbers(from, event);
        get_texts(from, event);
        return event;
    } catch (const json::exception& e) {
        return Error{"not an event: " + printable(e.what()), {}};
    } catch (const std::invalid_argument& e) {
        return Error{"not an event: " + printable(e.what()), {}};
    }
}

} // namespace xk::events
