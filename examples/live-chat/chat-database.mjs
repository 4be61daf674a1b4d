// What the chat asks of the database, each as the one whose token it is.
//
// As PostgREST does it: a transaction takes the role and the claims of the
// token, so that the policies of schema.sql decide about every row.  There is
// no other check of rights in the service.

import pg from 'pg'

export class ChatDatabase {
  #pool

  constructor (connectionString) {
    this.#pool = new pg.Pool({ connectionString })
    // a connection that ends while nobody uses it is replaced by the next one
    this.#pool.on('error', (error) => console.error(error.message))
  }

  // Run one statement with the rights of these claims; returns its rows.
  async #as (claims, sql, values) {
    const db = await this.#pool.connect()
    try {
      await db.query('BEGIN')
      await db.query(
        `SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true),
                set_config('app.anonymous_id', $3, true)`,
        [claims.role, JSON.stringify(claims), claims.anonymous_id ?? ''])
      const { rows } = await db.query(sql, values)
      await db.query('COMMIT')
      return rows
    } catch (error) {
      await db.query('ROLLBACK')
      throw error
    } finally {
      db.release()
    }
  }

  // All sessions that may be seen, the ones with news first; unread are the
  // customer's messages that no agent has answered yet.
  sessions (claims) {
    return this.#as(claims, `
      SELECT s.*, count(m) FILTER (WHERE m.sender_type = 'customer' AND
                                         m.created_at > coalesce(answered_at, '-infinity'))::int AS unread
      FROM chat_sessions s
      LEFT JOIN chat_messages m ON m.session_id = s.id
      LEFT JOIN LATERAL (SELECT max(created_at) AS answered_at FROM chat_messages
                         WHERE session_id = s.id AND sender_type = 'agent') a ON true
      GROUP BY s.id
      ORDER BY s.status = 'closed', greatest(s.updated_at, max(m.created_at)) DESC`)
  }

  // One session with its messages.
  async session (claims, id) {
    const [session] = await this.#as(claims, `
      SELECT s.*, coalesce(jsonb_agg(m ORDER BY m.created_at) FILTER (WHERE m.id IS NOT NULL), '[]') AS messages
      FROM chat_sessions s LEFT JOIN chat_messages m ON m.session_id = s.id
      WHERE s.id = $1 GROUP BY s.id`, [id])
    return session
  }

  async createSession (claims) {
    const [session] = await this.#as(claims,
      'INSERT INTO chat_sessions (user_id, anonymous_id) VALUES ($1, $2) RETURNING *',
      [claims.sub, claims.anonymous_id])
    return session
  }

  // The client chooses the id, so that it knows its own message when it comes back.
  async sendMessage (claims, sessionId, { id, sender_type: senderType, content }) {
    const [message] = await this.#as(claims, `
      INSERT INTO chat_messages (id, session_id, sender_id, sender_type, content)
      VALUES ($1, $2, $3, $4, $5) RETURNING *`,
    [id, sessionId, claims.sub, senderType, String(content ?? '').trim()])
    return message
  }

  async assignSession (claims, id) {
    const [session] = await this.#as(claims, `
      UPDATE chat_sessions SET agent_id = $2, status = 'assigned', updated_at = now()
      WHERE id = $1 RETURNING *`, [id, claims.sub])
    return session
  }

  async closeSession (claims, id) {
    const [session] = await this.#as(claims, `
      UPDATE chat_sessions SET status = 'closed', closed_at = now(), updated_at = now()
      WHERE id = $1 RETURNING *`, [id])
    return session
  }
}
