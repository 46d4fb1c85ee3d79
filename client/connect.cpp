// SPDX-License-Identifier: MIT
#include "client/connect.h"

#include "client/engine.h"
#include "client/last_family.h"
#include "protocol/base/quote.h"

#include <poll.h>

#include <algorithm>

namespace xk::client {
namespace {

using std::chrono::milliseconds;
using Clock = Attempts::Clock;

// A person's code that did not open so long after the first packet is asked for again.
constexpr milliseconds kPatience{1500};
// A link-local address is only tried, never knocked at.
constexpr milliseconds kOnlyTried{1000};
constexpr milliseconds kLookAtPrompt{50};

// Time until the clock that codes are made for is in the next slot, and a little more for the server's.
milliseconds until_next_slot(std::chrono::microseconds ahead) {
    const WallTime now = Now::read().wall + ahead;
    return std::chrono::ceil<milliseconds>(slot_end(slot_of(now)) - now) + milliseconds(200);
}

// Tries the port every second.
bool watch(Engine& engine, milliseconds time) {
    engine.probe();
    const auto end = Clock::now() + time;
    const bool stands = engine.stands_within(time);
    if (!stands && Clock::now() < end) // every attempt has failed
        ::poll(nullptr, 0, static_cast<int>(std::chrono::ceil<milliseconds>(end - Clock::now()).count()));
    return stands;
}

// One connection, from its codes to its end.
class Login {
  public:
    Login(const Profile& profile, const RequestSpec& spec, const std::string& host, std::uint16_t port,
          CodeSource& codes, const Story& story)
        : profile_(profile), spec_(spec), host_(host), port_(port), codes_(codes), story_(story) {}

    Result<Connected> run(std::vector<Way> ways);

  private:
    Result<std::optional<std::string>> next_code(Engine& engine);
    Result<void> greet(Engine& engine);
    Result<bool> knock(Engine& engine);
    bool comes_about(Engine& engine) const;
    Connected connected(Engine& engine) const;
    bool makes_codes() const { return profile_.factor == FactorKind::totp && profile_.is_automatic(); }

    const Profile& profile_;
    const RequestSpec& spec_;
    const std::string& host_;
    std::uint16_t port_;
    CodeSource& codes_;
    const Story& story_;
    std::chrono::microseconds ahead_{0}; // the server's clock of ours, by its last answer
};

Result<Connected> Login::run(std::vector<Way> ways) {
    prepare_knocks(profile_, spec_, host_, ways);
    learn_our_address(profile_, ways, story_);
    Engine engine(std::move(ways), port_, spec_, story_);
    // A code of a person is worth more than the time to see whether the port is open already.
    const bool tries_first = !profile_.is_automatic() && profile_.probe.count() > 0;
    if (tries_first || !engine.can_knock()) {
        engine.probe();
        if (engine.stands_within(engine.can_knock() ? profile_.probe : kOnlyTried))
            return connected(engine);
    }
    if (!engine.can_knock())
        return no_way(engine.ways());
    auto stands = knock(engine);
    if (!stands)
        return stands.error();
    if (*stands)
        return connected(engine);
    Known known{.host = host_,
                .port = port_,
                .addresses = {},
                .person = !profile_.is_automatic(),
                .has_codes = has_codes(profile_.factor),
                .hotp = profile_.factor == FactorKind::hotp,
                .by_handshake = profile_.by_handshake(),
                .clock = read_clock_facts(profile_)};
    for (const Way& way : engine.ways())
        known.addresses.push_back(way.happened);
    return not_open(known);
}

// Nothing where a connection stands before the code came.
Result<std::optional<std::string>> Login::next_code(Engine& engine) {
    const bool watches = profile_.probe.count() > 0;
    return codes_.next([&](milliseconds time) {
        if (!watches) { // that the port answers is not enough
            ::poll(nullptr, 0, static_cast<int>(time.count()));
            return false;
        }
        return watch(engine, time);
    });
}

// Behind another login's code that opened the port.
bool Login::comes_about(Engine& engine) const {
    if (engine.stands_within(milliseconds(0)))
        return true;
    engine.forget_attempts(); // made before the port was open
    const auto end = Clock::now() + profile_.wait;
    while (Clock::now() < end)
        if (watch(engine, kLookAtPrompt))
            return true;
    return false;
}

Result<void> Login::greet(Engine& engine) {
    if (!profile_.by_handshake())
        return {};
    if (auto done = engine.greet(Clock::now() + profile_.wait); !done)
        return done;
    ahead_ = engine.ways().front().knock->greeting()->server_ahead();
    codes_.server_is_ahead(ahead_);
    return {};
}

Result<bool> Login::knock(Engine& engine) {
    std::optional<Clock::time_point> last;
    for (bool first = true;; first = false) {
        if (first && makes_codes()) // for the server's clock
            if (auto done = greet(engine); !done)
                return done.error();
        auto code = next_code(engine);
        if (!code)
            return code.error();
        if (!*code) {
            if (comes_about(engine))
                return true;
            continue; // and asks, since the other login's grant does not serve
        }
        if (engine.stands_within(milliseconds(0)) && profile_.probe.count() > 0 && !profile_.is_automatic())
            return true; // while the person typed
        engine.forget_attempts();
        if (!first) { // another code is another request
            prepare_knocks(profile_, spec_, host_, engine.ways());
            learn_our_address(profile_, engine.ways(), story_);
        }
        if (auto done = greet(engine); !done)
            return done.error();
        const auto now = Clock::now();
        if (!last)
            last = now + profile_.wait + (makes_codes() ? until_next_slot(ahead_) : milliseconds(0));
        const bool asks_again = codes_.is_person() && codes_.may_ask_again();
        const auto end = makes_codes()        ? std::min(*last, now + until_next_slot(ahead_))
                         : asks_again         ? now + kPatience
                         : codes_.is_person() ? now + profile_.wait
                                              : *last;
        auto stands = engine.knock(**code, end, [&] { codes_.used(**code); });
        if (!stands || *stands || (engine.no_code_helps() && Clock::now() - now >= kPatience))
            return stands;
        if (!asks_again && (!makes_codes() || Clock::now() >= *last))
            return false;
    }
}

Connected Login::connected(Engine& engine) const {
    Connected connected = engine.take();
    const auto& ways = engine.ways();
    if (std::any_of(ways.begin(), ways.end(),
                    [&](const Way& way) { return way.target.is_v4() != connected.address.is_v4(); }))
        remember_family(profile_, connected.address);
    return connected;
}

} // namespace

Result<Connected> knock_and_connect(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                    std::uint16_t port, CodeSource& codes, const Story& story) {
    auto ways = find_ways(profile, spec, host);
    if (!ways)
        return ways.error();
    story.say("profile " + printable(profile.name) + " (" + as_line(profile.file) + "), factor " +
              std::string(name_of(profile.factor)));
    for (const Way& way : *ways)
        story.say(printable(host) + " has " + way.target.text() + (way.target.nat64 ? ", by a NAT64" : ""));
    return Login(profile, spec, host, port, codes, story).run(*std::move(ways));
}

} // namespace xk::client
