// SPDX-License-Identifier: MIT
//
// Owners knows by whose grants the sessions of a pinhole may have come. It remembers that after the grants are over,
// for as long as a session of the pinhole lives. So the sessions of a deleted user can end while those of another user
// behind the same address live on. It is kept in a file of the run directory, because the configuration after a restart
// may not know the user any more.
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
    static constexpr std::size_t kMostHolders = 64; // of one pinhole; a full record may lack some

    explicit Owners(const Grants& grants) : grants_(grants) {}

    // Reads the file of an earlier daemon; there may be none. After an error nothing is known. `owner` is the user who
    // must own the file.
    Result<void> read(const std::string& directory, uid_t owner);
    static std::string file_in(const std::string& directory) { return directory + "/owners"; }
    // Writes the file if something changed.
    Result<void> save();
    // Whether an earlier daemon left a file.
    bool was_read() const { return was_read_; }

    void on_pinhole_began(const authz::GrantBook::Began& began) override;

    struct Record {
        std::uint16_t last_port = 0; // the last one of a range; else the pinhole's port
        std::set<wire::CredentialId> holders;
        bool is_of(const authz::Pinhole& pinhole, const authz::Pinhole& at) const; // whether `at` is one of its ports
    };
    const std::map<authz::Pinhole, Record>& all() const { return records_; }
    bool knows(const authz::Pinhole& pinhole) const { return records_.contains(pinhole); }

    // Whether it is time to find out which sessions live. The interval is shorter where several users hold one pinhole:
    // a session there cannot end with its user until the other users are forgotten.
    bool wants_look(BootTime now) const;
    // `alive` are the pinholes that have sessions. Holders of other pinholes are forgotten unless they have a grant.
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
