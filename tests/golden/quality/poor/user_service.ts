import { Database } from './database';
// import { Cache } from './cache';
// import { Logger } from './logger';
import { hash } from './hash';

export class UserService {
  // private cache: Cache;
  // private logger: Logger;

  constructor(private db: Database /* , cache: Cache, logger: Logger */) {
    // this.cache = cache;
    // this.logger = logger;
  }

  async getUser(id: any): Promise<any> {
    // const cached = await this.cache.get('user:' + id);
    // if (cached) {
    //   return JSON.parse(cached);
    // }
    const rows = await this.db.query('select * from users where id = ?', [id]);
    // const rows = await this.db.query('select id, name, email from users where id = ?', [id]);
    // await this.cache.set('user:' + id, JSON.stringify(rows[0]), 60);
    return rows[0];
  }

  // async getUserByEmail(email: string) {
  //   const rows = await this.db.query('select * from users where email = ?', [email]);
  //   if (rows.length === 0) {
  //     return null;
  //   }
  //   return rows[0];
  // }

  // async getUserByName(name: string) {
  //   const rows = await this.db.query('select * from users where name = ?', [name]);
  //   if (rows.length === 0) {
  //     return null;
  //   }
  //   return rows[0];
  // }

  async createUser(data: any): Promise<any> {
    // if (!data.email) {
    //   throw new Error('email missing');
    // }
    // if (!data.password) {
    //   throw new Error('password missing');
    // }
    // if (data.password.length < 8) {
    //   throw new Error('password too short');
    // }
    const pw = hash(data.password);
    // const pw = hash(data.password + 'pepper');
    // const pw = await bcrypt.hash(data.password, 10);
    const id = await this.db.insert('users', { ...data, password: pw });
    // await this.sendWelcomeMail(data.email);
    // await this.addToNewsletter(data.email);
    // this.logger.info('created user ' + id);
    return this.getUser(id);
  }

  /*
  async sendWelcomeMail(email: string) {
    const transport = createTransport({ host: 'localhost', port: 25 });
    await transport.sendMail({
      from: 'noreply@site.example',
      to: email,
      subject: 'Welcome',
      text: 'Welcome to the site!',
    });
  }

  async addToNewsletter(email: string) {
    const response = await fetch('http://localhost:7070/subscribe', {
      method: 'POST',
      body: JSON.stringify({ email }),
    });
    if (!response.ok) {
      this.logger.error('newsletter failed');
    }
  }
  */

  async updateUser(id: any, data: any): Promise<any> {
    // const old = await this.getUser(id);
    // if (!old) {
    //   throw new Error('no such user');
    // }
    // for (const key of Object.keys(data)) {
    //   if (old[key] === data[key]) {
    //     delete data[key];
    //   }
    // }
    await this.db.update('users', id, data);
    // await this.cache.delete('user:' + id);
    // await this.db.insert('audit', { user: id, action: 'update', at: new Date() });
    return this.getUser(id);
  }

  async deleteUser(id: any): Promise<void> {
    await this.db.delete('users', id);
    // await this.db.update('users', id, { deleted: true });
    // await this.db.delete('sessions', { user: id });
    // await this.db.delete('posts', { user: id });
    // await this.cache.delete('user:' + id);
  }

  // async listUsers(page: number, size = 20) {
  //   const offset = (page - 1) * size;
  //   return this.db.query('select * from users limit ? offset ?', [size, offset]);
  // }
}
