// SPDX-License-Identifier: MIT
//
// FakeDaemon: all that the verbs read is what a test put there, all that they do is written down, and each operation
// fails where the test says so.
#pragma once

#include "daemon/events/counters.h"
#include "daemon/events/events.h"
#include "daemon/events/recent.h"
#include "daemon/verbs/all.h"

#include <map>
#include <set>

namespace xk::verbs::test {

inline constexpr wire::CredentialId kLaptop = {1, 1}, kRobot = {1, 2}, kPhone = {2, 1}, kGone = {9, 9};

class FakeDaemon final : public ConfigSource,
                         public CredentialStates,
                         public StatusSource,
                         public CounterSource,
                         public EventSource,
                         public Unlocker,
                         public GrantSource,
                         public GrantOpener,
                         public GrantCloser,
                         public BanSource,
                         public Banner,
                         public Reloader,
                         public PanicControl,
                         public TrialControl,
                         public HorizonControl {
  public:
    FakeDaemon();

    // anna/laptop (totp), anna/robot (hmac) and bob/phone (none); ssh, web, vpn.
    static config::Config make_config();
    void set_config(config::Config config) { config_ = std::make_shared<const config::Config>(std::move(config)); }

    std::string failing;               // the operation that fails now, or one call of it
    bool hint = true;                  // whether its error has one
    std::optional<Error> unfinished;   // of a ban
    std::vector<std::string> calls;    // "close 192.0.2.2", in their order
    std::function<void()> during_call; // what happens inside of the next operation
    bool dry_run = false;
    DaemonStatus status;
    std::map<std::size_t, authz::CredentialState> states; // by index
    Counters counters;
    authz::StateHeader judgement{};
    events::EventCounters events_counted;
    BootTime events_clock{};
    events::Events events_handed_out{[this] { return events_clock; }};
    events::RecentEvents recent;
    std::vector<GrantRow> grants; // in the order of their pinholes
    authz::BanBook book;
    std::set<Prefix> spared;
    Opened opened;
    Sessions sessions;
    std::vector<std::string> warnings;
    Closed panic;
    bool is_in_panic = false;

    std::shared_ptr<const config::Config> config() const override { return config_; }
    ByIndex find_states(std::shared_ptr<const config::Config> config) override;
    DaemonStatus read_status(const Now&) override { return status; }
    Result<Counters> read_filter_counters() override;
    authz::StateHeader read_judgement_counters() const override { return judgement; }
    const events::EventCounters& event_counters() const override { return events_counted; }
    const events::Events& events() const override { return events_handed_out; }
    const events::RecentEvents& recent_events() const override { return recent; }
    Result<void> unlock_credential(std::size_t credential) override;
    std::optional<GrantRow> find_next_grant(const std::optional<authz::Pinhole>& last, const Now& now) override;
    bool is_dry_run() const override { return dry_run; }
    Opened open_for_operator(const authz::GrantRequest& request, const Now& now) override;
    Result<std::size_t> close_grants(const Prefix& prefix, const Now& now) override;
    Result<std::size_t> close_grants(const Credentials& credentials, const Now& now) override;
    Result<Sessions> end_sessions(const Prefix& prefix, const std::optional<TcpSession>& session) override;
    Result<Sessions> end_sessions(const Credentials& credentials, const std::optional<TcpSession>& session) override;
    void expire_bans(const Now& now) override;
    const authz::BanBook& ban_book() const override { return book; }
    std::string owner_of(const std::string& reason) const override { return printable(reason, 123); }
    Result<Banned> ban_prefixes(const Order& order, const Now& now) override;
    Result<std::size_t> unban_prefixes(const std::vector<Prefix>& prefixes, const std::optional<std::string>& owner,
                                       const Now& now) override;
    Result<std::size_t> unban_all(Family family, const std::optional<std::string>& owner, const Now& now) override;
    Result<void> end_banned_sessions(const Now&) override { return act("end-banned-sessions"); }
    Result<void> reload_config() override { return act("reload"); }
    Result<void> reload_users(const std::set<std::string>& users) override;
    std::vector<std::string> interface_warnings() const override { return warnings; }
    Result<Closed> begin_panic(const std::optional<TcpSession>& session) override;
    Result<bool> end_panic() override;
    Result<void> begin_trial(std::chrono::seconds time) override;
    Result<void> confirm_trial() override { return act("confirm"); }
    Result<void> accept_clock() override { return act("clock-accept"); }
    Result<void> raise_horizon() override { return act("takeover"); }

  private:
    // Writes the call down; fails where it or its first word is `failing`.
    Result<void> act(const std::string& call);
    std::size_t take_bans(const std::function<bool(const Prefix&, const authz::BanClaim&)>& meant);

    std::shared_ptr<const config::Config> config_;
};

} // namespace xk::verbs::test
