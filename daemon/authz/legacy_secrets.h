// SPDX-License-Identifier: MIT
//
// LegacySecrets: the keys of devices whose packets an old client makes, by a number that the caller chooses: the place,
// or the index in a change. There are few of them or none, so they are apart from CredentialKeys: without any this
// takes no more than one page of locked memory.
#pragma once

#include "protocol/secret.h"

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace xk::authz {

struct LegacySecret {
    std::uint32_t key_size;      // bytes
    std::uint32_t hmac_key_size; // fwknop; else 0
    std::uint8_t key[32];        // capyknock: Fernet's 32. fwknop: KEY, 1 to 32
    std::uint8_t hmac_key[128];  // fwknop: HMAC_KEY

    std::span<const std::uint8_t> encryption() const { return {key, key_size}; }
    std::span<const std::uint8_t> hmac() const { return {hmac_key, hmac_key_size}; }
};

class LegacySecrets {
  public:
    // Null where this number has none. The secret moves when another one is added.
    const LegacySecret* find(std::uint32_t number) const;
    // A secret of zeros for this number, to be filled. Wipes the one that it had.
    LegacySecret& add(std::uint32_t number);
    // Wipes it.
    void remove(std::uint32_t number);

    std::size_t size() const { return index_.size(); }
    bool locked() const { return secrets_.locked(); }

  private:
    Secret<LegacySecret> secrets_{0};
    std::map<std::uint32_t, std::uint32_t> index_; // into secrets_, by number
    std::vector<std::uint32_t> free_;              // indices that no number has
};

} // namespace xk::authz
