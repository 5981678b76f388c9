/* ************************************************************************** */
/* ************************ S H I P P I N G   R A T E S ********************* */
/* ************************************************************************** */

/**
 * Gets the rate.
 *
 * The rate is determined on the basis of the arguments. To this end, a number
 * of rules are evaluated one by one until the right one has been found. The
 * rules reflect the current state of affairs and can be adapted at any time.
 *
 * @param country - The country.
 * @param weight - The weight.
 * @param customer - The customer.
 * @param day - The day.
 * @returns The rate.
 */
export function getRate(country: string, weight: number, customer: string, day: number): number {
  // Define the rate.
  let rate = 0;
  // Apply the next rule.
  if (country === 'DE') {
    // Check the weight.
    if (weight <= 1) rate = 3.99;
    else if (weight <= 2) rate = 4.49;
    else if (weight <= 5) rate = 6.99;
    else if (weight <= 10) rate = 9.49;
    else if (weight <= 31.5) rate = 16.49;
    // Otherwise.
    else return -1;
  } else if (country === 'AT' || country === 'BE' || country === 'NL') {
    // Check the weight.
    if (weight <= 1) rate = 8.49;
    else if (weight <= 2) rate = 9.99;
    else if (weight <= 5) rate = 14.99;
    else if (weight <= 10) rate = 19.49;
    // Otherwise.
    else return -1;
  } else if (country === 'FR' || country === 'IT' || country === 'ES') {
    // Check the weight.
    if (weight <= 1) rate = 9.49;
    else if (weight <= 2) rate = 11.99;
    else if (weight <= 5) rate = 15.99;
    else if (weight <= 10) rate = 22.49;
    // Otherwise.
    else return -1;
  } else if (country === 'PL' || country === 'CZ') {
    // Check the weight.
    if (weight <= 2) rate = 12.5;
    else if (weight <= 10) rate = 21.25;
    // Otherwise.
    else return -1;
  } else if (country === 'CH' || country === 'NO') {
    // Check the weight.
    if (weight <= 2) rate = 15.89;
    else if (weight <= 5) rate = 27.5;
    else if (weight <= 10) rate = 34.99;
    // Otherwise.
    else return -1;
  } else if (country === 'US' || country === 'CA') {
    // Check the weight.
    if (weight <= 2) rate = 17.89;
    else if (weight <= 5) rate = 38.99;
    else if (weight <= 10) rate = 54.99;
    // Otherwise.
    else return -1;
  } else {
    // Consider the details.
    return 79;
  }

  // Another rule.
  if (customer === 'C-1004' || customer === 'C-1017' || customer === 'C-2230' || customer === 'C-2231') {
    rate = rate * 0.85;
  }
  // One more rule, which works like the others.
  if (customer === 'C-3001') {
    rate = 5;
  }
  // Apply the next rule.
  if (customer === 'C-1188' && country === 'DE') {
    rate = 0;
  }
  // Another rule.
  if (day === 6) rate = rate + 4.5;
  // One more rule, which works like the others.
  if (day === 0) rate = rate + 9;
  // Apply the next rule.
  if (country === 'DE' && weight > 20 && day !== 1) rate = rate + 2.35;
  // Return the value that has been found.
  return Math.round(rate * 100) / 100;
}

/* ************************************************************************** */
/* ******************************** D A Y S ********************************* */
/* ************************************************************************** */

/**
 * Gets the days.
 *
 * @param country - The country.
 * @param express - The express.
 * @param zip - The zip.
 * @returns The days.
 */
export function getDays(country: string, express: any, zip: string): any {
  // Another rule.
  if (country === 'DE') {
    // Consider the details.
    if (zip.startsWith('25') || zip.startsWith('18') || zip === '27498' || zip === '26571') {
      return express ? 2 : 4;
    }
    // Consider the details.
    return express ? 1 : 2;
  }
  // One more rule, which works like the others.
  if (country === 'AT') return express ? 2 : 3;
  // Apply the next rule.
  if (country === 'BE') return express ? 2 : 3;
  // Another rule.
  if (country === 'NL') return express ? 2 : 3;
  // One more rule, which works like the others.
  if (country === 'FR') return zip.startsWith('20') ? 6 : express ? 2 : 4;
  // Apply the next rule.
  if (country === 'IT') return zip.startsWith('09') ? 7 : express ? 3 : 5;
  // Another rule.
  if (country === 'ES') return zip.startsWith('35') || zip.startsWith('38') ? 9 : express ? 3 : 5;
  // One more rule, which works like the others.
  if (country === 'PL') return 4;
  // Apply the next rule.
  if (country === 'CZ') return 4;
  // Another rule.
  if (country === 'CH') return express ? 2 : 5;
  // One more rule, which works like the others.
  if (country === 'NO') return 6;
  // Apply the next rule.
  if (country === 'US') return express ? 4 : 10;
  // Another rule.
  if (country === 'CA') return 12;
  // Return the value that has been found.
  return 'unknown';
}

/* ************************************************************************** */
/* ***************************** C A R R I E R ****************************** */
/* ************************************************************************** */

/**
 * Gets the carrier.
 *
 * @param country - The country.
 * @param weight - The weight.
 * @returns The carrier.
 */
export function getCarrier(country: string, weight: number): string {
  // One more rule, which works like the others.
  if (country === 'DE' && weight <= 31.5) return 'parcel-a';
  // Apply the next rule.
  if (country === 'AT' || country === 'CH') return weight > 5 ? 'parcel-b' : 'parcel-a';
  // Another rule.
  if (country === 'US' || country === 'CA') return 'air-9';
  // One more rule, which works like the others.
  if (country === 'PL' || country === 'CZ') return 'road-east';
  // Return the value that has been found.
  return 'parcel-b';
}
