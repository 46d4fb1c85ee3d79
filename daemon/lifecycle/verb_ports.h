// SPDX-License-Identifier: MIT
//
// VerbPorts: what the verbs of the control socket read and do, by the daemon. Nothing is decided here.
#pragma once

#include "daemon/verbs/all.h"

namespace xk {

class Daemon;

class VerbPorts final : public verbs::ConfigSource,
                        public verbs::CredentialStates,
                        public verbs::StatusSource,
                        public verbs::CounterSource,
                        public verbs::Unlocker,
                        public verbs::GrantSource,
                        public verbs::GrantOpener,
                        public verbs::GrantCloser,
                        public verbs::BanSource,
                        public verbs::Banner,
                        public verbs::Reloader,
                        public verbs::PanicControl,
                        public verbs::TrialControl,
                        public verbs::HorizonControl {
  public:
    explicit VerbPorts(Daemon& daemon) : daemon_(daemon) {}

    std::shared_ptr<const config::Config> config() const override;
    ByIndex find_states(std::shared_ptr<const config::Config> config) override;
    verbs::DaemonStatus read_status(const Now& now) override;
    Result<Counters> read_filter_counters() override;
    authz::StateHeader read_judgement_counters() const override;
    Result<void> unlock_credential(std::size_t credential) override;

    std::optional<verbs::GrantRow> find_next_grant(const std::optional<authz::Pinhole>& last, const Now& now) override;
    bool is_dry_run() const override;
    Opened open_for_operator(const authz::GrantRequest& request, const Now& now) override;
    Result<std::size_t> close_grants(const Prefix& prefix, const Now& now) override;
    Result<std::size_t> close_grants(const Credentials& credentials, const Now& now) override;
    Result<Sessions> end_sessions(const Prefix& prefix, const std::optional<TcpSession>& spared) override;
    Result<Sessions> end_sessions(const Credentials& credentials, const std::optional<TcpSession>& spared) override;

    void expire_bans(const Now& now) override;
    const authz::BanBook& ban_book() const override;
    std::string owner_of(const std::string& reason) const override;
    Result<Banned> ban_prefixes(const Order& order, const Now& now) override;
    Result<std::size_t> unban_prefixes(const std::vector<Prefix>& prefixes, const std::optional<std::string>& owner,
                                       const Now& now) override;
    Result<std::size_t> unban_all(Family family, const std::optional<std::string>& owner, const Now& now) override;
    void end_banned_sessions(const Now& now) override;

    Result<void> reload_config() override;
    std::vector<std::string> interface_warnings() const override;
    Result<Closed> begin_panic(const std::optional<TcpSession>& spared) override;
    Result<bool> end_panic() override;
    Result<void> begin_trial(std::chrono::seconds time) override;
    Result<void> confirm_trial() override;
    Result<void> accept_clock() override;
    Result<void> raise_horizon() override;

  private:
    Daemon& daemon_;
};

} // namespace xk
