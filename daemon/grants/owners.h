// SPDX-License-Identifier: MIT
//
// Owners: by whose grants the sessions of a pinhole may have come, also when the grants are over, for as long as any
// session of it lives. So sessions end with their user, and not those of another one behind the same address. It is
// kept in a file of the run directory, because a restart may bring a configuration that knows the user no more.
#pragma once

#include "daemon/grants/grant_events.h"
#include "daemon/grants/grants.h"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace xk {

class Owners : public PinholeListener {
  public:
    static constexpr std::size_t kMost = 16384;     // pinholes
    static constexpr std::size_t kMostHolders = 64; // of one; where there are as many, there may have been more

    explicit Owners(const Grants& grants) : grants_(grants) {}

    // What the daemon before us wrote. A file that makes no sense is an error, and nothing is known then.
    Result<void> read(const std::string& directory, uid_t owner);
    static std::string file_in(const std::string& directory) { return directory + "/owners"; }
    // Writes it where something changed.
    Result<void> save();
    // Whether there was anything to read: a daemon before us knew whose pinholes there were.
    bool was_read() const { return was_read_; }

    void on_pinhole_began(const authz::GrantBook::Began& began) override;

    struct Record {
        std::uint16_t last_port = 0; // of a range
        std::set<wire::CredentialId> holders;
        bool is_of(const authz::Pinhole& pinhole, const authz::Pinhole& at) const; // whether `at` is one of its ports
    };
    const std::map<authz::Pinhole, Record>& all() const { return records_; }
    bool knows(const authz::Pinhole& pinhole) const { return records_.contains(pinhole); }

    // Whether it should be looked which sessions live: soon where somebody came to a pinhole that others held before,
    // else now and then.
    bool wants_look(BootTime now) const;
    // These pinholes have sessions. Of the others only those hold on who have a grant.
    void prune(const std::set<authz::Pinhole>& alive, BootTime now);
    void forget(const authz::Pinhole& pinhole, const std::set<wire::CredentialId>& holders);

  private:
    bool is_held(const authz::Pinhole& pinhole, const wire::CredentialId& id) const;

    const Grants& grants_;
    std::map<authz::Pinhole, Record> records_;
    std::string file_;
    BootTime last_look_{};
    bool was_read_ = false, changed_ = false, shared_ = false, full_ = false;
};

} // namespace xk
